"""A PostgreSQL for a benchmark alone, gone when it is over."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import postgres
from local.state import free_port


@contextmanager
def named_or_own(dsn: str | None) -> Iterator[str]:
    """The DSN of the one that is named; None: of one that is started for this."""
    if dsn is not None:
        yield dsn
        return
    home = Path(tempfile.mkdtemp(prefix="benchmark-", dir="/var/tmp"))
    home.chmod(0o711)  # PostgreSQL, when root runs this, is another user, who must come through
    server = postgres.start(home / "postgres", free_port(None), secrets.token_hex(16), home / "postgres.log")
    try:
        server.wait_until_ready()
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(home)
