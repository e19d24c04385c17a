"""The connection to PostgreSQL and the transaction around a request."""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.config import settings
from chalicelib.errors import TooCostly, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.orm import Session
    from sqlalchemy.pool import ConnectionPoolEntry

QUIET_SECONDS = 5
"""A connection that was used so recently, and over which no word of its end came, is taken to be alive."""


SILENT_SECONDS = 8
"""How long the other end may acknowledge nothing before the connection counts as dead. A new connection takes 5 seconds
at most, so a request is still answered within the gateway's 29."""


@cache
def engine() -> "Engine":
    """One connection a process, kept between invocations; a dead one is noticed by a ping and replaced."""
    from sqlalchemy import create_engine, event, make_url

    url = make_url(settings().database_url.get_secret_value())
    arguments = {"connect_timeout": 5, "application_name": "tagged-image-manager", **_liveness()}
    if url.password is not None:
        chosen = session_settings(settings().statement_timeout_seconds)
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in chosen.items())
    made = create_engine(url, pool_size=1, max_overflow=0, connect_args=arguments, hide_parameters=True)
    event.listen(made, "handle_error", _without_values)
    event.listen(made, "checkout", _ping_after_a_pause)
    event.listen(made, "checkin", _note_the_time)
    if url.password is None:
        event.listen(made, "do_connect", _sign_in)
    return made


def _liveness() -> dict[str, int]:
    """Return settings of libpq by which this machine's kernel notices that the other end is gone without a word, as
    after a long freeze of the process: what was sent is not acknowledged (tcp_user_timeout), or, while an answer is
    awaited, probes are not (keepalives). The server, or RDS Proxy, takes no part in it:
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES"""
    return {
        "tcp_user_timeout": SILENT_SECONDS * 1000,
        "keepalives_idle": max(1, SILENT_SECONDS // 2),
        "keepalives_interval": max(1, SILENT_SECONDS // 4),
        "keepalives_count": 3,
    }


def session_settings(statement_timeout_seconds: int) -> dict[str, str]:
    """Beside the time limits, no jit, generic plans or parallel workers: they cost more than they save on queries of
    milliseconds. RDS Proxy, to which we sign in without a password, takes no options: there the role has them."""
    return {
        "statement_timeout": f"{statement_timeout_seconds}s",
        "idle_in_transaction_session_timeout": "1min",
        "jit": "off",
        "plan_cache_mode": "force_custom_plan",
        "max_parallel_workers_per_gather": "0",
    }


def passwords_from(source: Callable[[str, str], str]) -> None:
    """For a DATABASE_URL without a password: what gives one for an address (host:port) and a user, at each connect."""
    _password_sources[:] = [source]


_password_sources: list[Callable[[str, str], str]] = []


def _sign_in(_: object, __: object, ___: object, parameters: dict[str, Any]) -> None:
    for source in _password_sources:
        parameters["password"] = source(f"{parameters['host']}:{parameters['port']}", parameters["user"])


def forget() -> None:
    """The connection, and what it was made from."""
    if engine.cache_info().currsize:
        engine().dispose()
        engine.cache_clear()


@contextmanager
def transaction() -> "Iterator[Session]":
    """Commit at the end, or roll everything back. Raise TooCostly when a statement ran out of time, Unavailable when
    the database cannot be reached or the connection was lost. If it was lost during COMMIT, the change may have been
    made: the message says so."""
    from sqlalchemy.orm import Session

    if (around := _enclosing.get()) is not None:
        with around.begin_nested():
            yield around
    else:
        with _failures(), Session(engine(), expire_on_commit=False) as session:
            yield session
            with _unconfirmed():
                session.commit()


@contextmanager
def chunk_transaction() -> "Iterator[Session]":
    """Opens a `transaction` for one chunk of background work. Its statements look rows up by index, whatever the
    planner's statistics say: a chunk then costs the same in a small and in a large table, also when a table was filled
    a moment ago and has no statistics yet."""
    from sqlalchemy import text

    with transaction() as session:
        keep_plans(session)
        session.execute(text(_BY_INDEX))
        yield session


def keep_plans(session: "Session") -> None:
    """Until the transaction ends, the look-up by which a foreign key is checked is planned once, and not for each of
    thousands of rows: inserting links takes a third of the time."""
    from sqlalchemy import text

    session.execute(text("SET LOCAL plan_cache_mode = auto"))


_BY_INDEX = "; ".join(f"SET LOCAL enable_{step} = off" for step in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"))


@contextmanager
def enclosing() -> "Iterator[Session]":
    """A transaction of which those begun within it become a part: what fails in one is undone alone, and what succeeds
    is kept only if all is."""
    with transaction() as session:
        token = _enclosing.set(session)
        try:
            yield session
        finally:
            _enclosing.reset(token)


_enclosing: "ContextVar[Session | None]" = ContextVar("enclosing", default=None)


@contextmanager
def reading() -> "Iterator[Session]":
    """Every statement for itself, which saves the round trips that begin and end a transaction. Raises as
    `transaction` does."""
    from sqlalchemy.orm import Session

    with _failures(), Session(engine().execution_options(isolation_level="AUTOCOMMIT")) as session:
        yield session


@contextmanager
def _failures() -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError, OperationalError

    try:
        yield
    except OperationalError as error:
        if timed_out(error):
            raise TooCostly("The database took too long over this; ask for less at once.") from error
        raise Unavailable("The database cannot do this just now; try again.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The database broke off; try again.") from error
        raise


@contextmanager
def _unconfirmed() -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(
                "The connection to the database was lost before it confirmed the change, which may have been made. Send"
                " the request again with the same Idempotency-Key; without one, look first whether it was."
            ) from error
        raise


def timed_out(error: "OperationalError") -> bool:
    from psycopg2 import errorcodes

    return bool(getattr(error.orig, "pgcode", None) == errorcodes.QUERY_CANCELED)


def _without_values(context: "ExceptionContext") -> None:
    """What PostgreSQL writes below the first line of an error is the row, the key or the statement at fault, with what
    callers wrote; errors are logged. An error in the data itself (class 22) quotes it in the first line already."""
    code = getattr(context.original_exception, "pgcode", None) or ""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            said = f"SQLSTATE {code}" if code.startswith("22") else str(error.args[0]).partition("\n")[0]
            error.args = (said, *error.args[1:])


def _note_the_time(_: "DBAPIConnection", record: "ConnectionPoolEntry") -> None:
    # Not the monotonic clock, which stands still while Lambda has the process frozen.
    record.info["used"] = time.time()


def _ping_after_a_pause(connection: "DBAPIConnection", record: "ConnectionPoolEntry", _: object) -> None:
    from psycopg2 import Error
    from sqlalchemy.exc import DisconnectionError

    unused = time.time() - record.info.get("used", 0)
    if 0 <= unused < QUIET_SECONDS and not _has_news(connection):
        return
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except Error as error:
        raise DisconnectionError from error


def _has_news(connection: Any) -> bool:
    """Between requests the server says nothing, but that it ends the connection."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)
