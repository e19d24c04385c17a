"""A PostgreSQL for a benchmark alone, gone when it is over."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from local import postgres
from local.state import free_port

QUICK_TO_FILL = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""For benchmarks that only read what they have filled: a crash may cost all of it."""


@contextmanager
def named_or_own(dsn: str | None, *, quick_to_fill: bool = False) -> Iterator[str]:
    """The DSN of the one that is named; None: of one that is started for this."""
    if dsn is not None:
        yield dsn
        return
    home = Path(tempfile.mkdtemp(prefix="benchmark-", dir="/var/tmp"))
    home.chmod(0o711)  # PostgreSQL, when root runs this, is another user, who must come through
    password = secrets.token_hex(16)
    server = _start(home, password)
    try:
        if quick_to_fill:
            _set(server.url, QUICK_TO_FILL)
            server.stop()
            server = _start(home, password)
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(home)


def _start(home: Path, password: str) -> postgres.Server:
    server = postgres.start(home / "postgres", free_port(None), password, home / "postgres.log")
    server.wait_until_ready()
    return server


def _set(dsn: str, settings: dict[str, str]) -> None:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for name, value in settings.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
