"""The connection to PostgreSQL and the transaction around a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from psycopg2 import errorcodes
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from chalicelib.config import settings
from chalicelib.errors import TooCostly, Unavailable


@cache
def engine() -> Engine:
    """One connection a process, kept between invocations; a dead one is noticed by the ping and replaced."""
    timeout = settings().statement_timeout_seconds * 1000
    return create_engine(
        settings().database_url.get_secret_value(),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "tagged-image-manager",
            # jit and generic plans cost far more than they save on queries of milliseconds.
            "options": f"-c statement_timeout={timeout} -c jit=off -c plan_cache_mode=force_custom_plan",
        },
    )


@contextmanager
def transaction() -> Iterator[Session]:
    """Commits at its end, or rolls all back. Raises TooCostly when a statement ran out of time, Unavailable when
    the database cannot be reached or broke off."""
    try:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            yield session
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.QUERY_CANCELED:
            raise TooCostly("The database took too long over this; ask for less at once.") from error
        raise Unavailable("The database cannot do this just now; try again.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The database broke off; try again.") from error
        raise
