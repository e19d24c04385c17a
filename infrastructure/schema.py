"""Records the schema: `python -m infrastructure.schema`. With `--check`, says what was changed after it was recorded.

A migration that has been committed never changes again: databases have run it. `SHA256SUMS` keeps the hash of each.
`catalog.txt` describes the schema that all of them make, with which the service compares its database (see
chalicelib.database.catalog).
"""

import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.config import settings
from chalicelib.database import catalog, engine, migrations
from local import environment, postgres
from local.state import free_port

ROOT = Path(__file__).parents[1]
VERSIONS = ROOT / "chalicelib" / "database" / "migrations" / "versions"
SUMS = "SHA256SUMS"

_NOT_USED = ("IMAGE_BUCKET", "ACCESS_LOG_TABLE", "USER_POOL_ARN")
"""Settings that the product requires, and a migration does not read."""


def faults(versions: Path = VERSIONS) -> list[str]:
    """Returns a sentence for each migration that is not what was recorded."""
    then, now = _recorded(versions), _present(versions)
    changed = [
        f"{name} was changed after it was committed. Restore it, and add a new migration."
        for name in then
        if name in now and now[name] != then[name]
    ]
    gone = [f"{name} has disappeared. Restore it." for name in then if name not in now]
    new = [f"{name} is not recorded. Run `make schema`." for name in now if name not in then]
    return [*changed, *gone, *new]


def record(versions: Path = VERSIONS) -> None:
    """Adds the hashes of new migrations; those that are there stay."""
    both = _present(versions) | _recorded(versions)
    (versions / SUMS).write_text("".join(f"{both[name]}  {name}\n" for name in sorted(both)))


def _recorded(versions: Path) -> dict[str, str]:
    """Returns hashes by file name, in the format of sha256sum."""
    lines = (versions / SUMS).read_text().splitlines() if (versions / SUMS).exists() else []
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _present(versions: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(versions.glob("*.py"))}


def describe() -> str:
    """Returns the description of the schema that all migrations make, on a server that lives as long as this takes."""
    with _server() as url, _product_on(url):
        migrations.upgrade(compare=False)
        with engine.engine().connect() as connection:
            return catalog.as_text(catalog.live(connection))


@contextmanager
def _product_on(url: str) -> Iterator[None]:
    """Makes the product use this database, and afterwards the one that it used before."""
    before = dict(os.environ)
    _forget_database()
    os.environ |= environment.database(url) | dict.fromkeys(_NOT_USED, "none")
    try:
        yield
    finally:
        _forget_database()
        os.environ.clear()
        os.environ |= before


def _forget_database() -> None:
    engine.forget()
    settings.cache_clear()


@contextmanager
def _server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="schema-") as directory:
        place = Path(directory)
        place.chmod(0o711)  # when root runs this, PostgreSQL is another user
        server = postgres.start(place / "postgres", free_port(None), "unknown", place / "log")
        try:
            server.wait_until_ready()
            yield server.url
        finally:
            server.process.send_signal(signal.SIGINT)
            server.process.wait()


def main() -> int:
    if "--check" not in sys.argv:
        record()
        catalog.RECORD.write_text(describe())
    for fault in (found := faults()):
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
