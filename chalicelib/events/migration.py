"""Migrates the database when a version of the code is deployed, or deployed again in a rollback."""

import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.database import migrations
from chalicelib.database.catalog import NewerSchemaError
from chalicelib.database.engine import engine
from chalicelib.telemetry import logger

CONNECT_SECONDS = 300
"""How long to try to connect. In a new account the proxy and the policy that lets the function sign in have existed for
a few seconds only, and a new policy takes time to take effect (see github.com/zenml-io/zenml/pull/5294). The rest of
the function's 840 seconds is left to the migration itself."""

PAUSE_SECONDS = 5

Wait = Callable[[float], object]


def migrate(*, wait: Wait = time.sleep, connect_seconds: float = CONNECT_SECONDS) -> None:
    """Brings the schema up to date once the database can be reached. Does nothing to a schema that a newer version of
    the code migrated: this version is deployed again, to work on it. Raises the last error when the database cannot be
    reached in time, and SchemaError when this code cannot use the database."""
    _connect(wait, connect_seconds)
    try:
        migrations.upgrade()
    except NewerSchemaError as newer:
        logger.warning(
            "the schema is newer than this code and was not changed",
            revision=newer.revision,
            newest_known=newer.newest_known,
        )


def _connect(wait: Wait, seconds: float) -> None:
    """Connects, and signs in, until that succeeds. The connection stays in the pool, for the migration to use."""
    end = time.monotonic() + seconds
    while (failure := _failure_to_connect()) is not None:
        logger.warning("the database cannot be reached", reason=_first_line(failure))
        if time.monotonic() >= end:
            raise failure
        wait(PAUSE_SECONDS)


def _failure_to_connect() -> SQLAlchemyError | None:
    pool = engine()
    try:
        pool.connect().close()
    except SQLAlchemyError as error:
        return error
    return None


def _first_line(failure: SQLAlchemyError) -> str:
    return str(getattr(failure, "orig", None) or failure).partition("\n")[0]
