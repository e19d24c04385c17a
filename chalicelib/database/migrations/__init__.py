"""The schema, step by step: Alembic, driven from code so that Lambda, the local stack and the tests run the same."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from chalicelib.database import catalog
from chalicelib.database.catalog import NewerSchemaError, SchemaError
from chalicelib.database.engine import engine
from chalicelib.database.migrations import renumbered

ADVISORY_LOCK = 7_161_001
"""Two migrations at once wait for one another on this."""

LOCK_SECONDS = 10
"""How long a step waits for a table. While it waits, every later statement on that table waits, too."""


def upgrade(*, compare: bool = True) -> None:
    """Brings the database to the newest revision and compares its schema with the one that this code needs, in one
    transaction. It is safe to repeat and to run twice at once. Raises SchemaError when this code cannot use the
    database, and NewerSchemaError when a later migration than this code has was run on it; nothing is changed then.
    Without `compare`, any schema will do."""
    with _clear_failures(), engine().begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        config = _config(connection)
        _refuse_the_unusable(connection, config)
        renumbered.run_missing_steps(connection, config)
        command.upgrade(config, "head")
        if compare:
            catalog.check(connection)


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _refuse_the_unusable(connection: Connection, config: Config) -> None:
    """Raises SchemaError for a database that no step can help."""
    if (encoding := connection.scalar(text("SHOW server_encoding"))) != "UTF8":
        raise SchemaError(f"The encoding of the database is {encoding}. Create one with the encoding UTF8.")
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if revision is None or revision in {script.revision for script in scripts.walk_revisions()}:
        return
    newest = str(scripts.get_current_head())
    if re.fullmatch("[0-9]{4}", revision) and revision > newest:
        raise NewerSchemaError(revision, newest)
    raise SchemaError(
        f"The database is at revision {revision}, which this version of the code does not know, and which is not a"
        " later one. Run the version that migrated it, or restore a backup from before the migration."
    )


@contextmanager
def _clear_failures() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise SchemaError(
                f"The migration waited {LOCK_SECONDS} seconds for a table that another session has locked."
                " Nothing was changed. Run it again, or end that session first."
            ) from error
        raise
