"""Holding requests up at a named place, so that a race is decided by the test and not by chance: the test takes a lock
in the service's database, waits until the requests wait for it, and lets go."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2

from tests.conftest import eventually

Value = TypeVar("Value")

IMAGE = "SELECT FROM images WHERE id = %s FOR UPDATE"
TAG = "SELECT FROM tags WHERE id = %s FOR UPDATE"
LINK = "INSERT INTO image_tags (image_id, tag_id) VALUES (%s, %s)"
"""Whoever makes the same link waits, and makes it when this one is rolled back."""
NAMES = "SELECT pg_advisory_xact_lock(7161002)"
"""Whoever creates or renames a tag waits, after having looked whether the name is there."""


@contextmanager
def held(stack: dict[str, Any], lock: str, *parameters: int) -> Iterator[None]:
    """Rolls back at its end, so that nothing but the waiting has come of it."""
    with closing(psycopg2.connect(stack["database_url"])) as connection, connection.cursor() as cursor:
        cursor.execute(lock, parameters)
        yield
        connection.rollback()


def waiting(stack: dict[str, Any]) -> int:
    """How many of the service's connections wait for a lock of another."""
    with closing(psycopg2.connect(stack["database_url"])) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def together(stack: dict[str, Any], calls: Sequence[Callable[[], Value]], lock: str, *parameters: int) -> list[Value]:
    """The answers to calls each of which has come to the lock, in this order, before any may pass. No more calls than
    the stack has workers."""
    with ThreadPoolExecutor(len(calls)) as threads:
        with held(stack, lock, *parameters):
            begun = []
            for number, call in enumerate(calls, 1):
                begun.append(threads.submit(call))
                eventually(lambda number=number: waiting(stack) >= number, of=f"request {number} at the lock")  # type: ignore[misc]
        return [each.result() for each in begun]
