"""Fills a database with the made-up collection and with all that the service makes of it: the index of attributes and
packed links, by the service's own code.

Indexes are built when their table is full, those of the collection while the service indexes its attributes."""

import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2

from benchmarks import building, collection
from chalicelib.events import housekeeping, indexing

HIDDEN = ("hidden_image_tags",)


def complete(dsn: str, images: int, *, empty: bool) -> None:
    """Of a database that is not empty, what is missing. The product's engine has to use the same database."""
    if empty:
        _timed(f"{images:,} images", lambda: collection.load(dsn, images))
        with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
            building.take_off(cursor, HIDDEN)
    _do_all_at_once()
    _timed("indexes, and attributes", lambda: _build_and_index(dsn))
    _timed("indexes of attributes", lambda: building.put_back(dsn, HIDDEN))
    _timed("statistics", lambda: collection.vacuum(dsn))
    _timed("packed links", housekeeping.tidy)
    collection.vacuum(dsn)


def _do_all_at_once() -> None:
    """Nobody else changes images meanwhile, so chunks may be long."""
    indexing.IMAGES_A_CHUNK = 10_000
    housekeeping.SECONDS_A_RUN = 36_000
    housekeeping.TAGS_LOOKED_AT = 10**9


def _build_and_index(dsn: str) -> None:
    """A backfill begins when all transactions have ended that began before it: so it is asked for before indexes are
    built, and waits for whatever else there is."""
    indexing.index_attributes(deadline=0)
    with ThreadPoolExecutor(1) as beside:
        built = beside.submit(building.put_back, dsn, collection.TABLES, at_once=1)
        while not _all_indexed(dsn):
            indexing.index_attributes(deadline=math.inf)
        built.result()


def _all_indexed(dsn: str) -> bool:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM indexed_attributes WHERE position > 0 AND removed_at IS NULL)")
        return bool(cursor.fetchone() == (True,))


def _timed(what: str, do: Callable[[], None]) -> None:
    begun = time.perf_counter()
    do()
    print(f"{what}: {time.perf_counter() - begun:,.0f} s", file=sys.stderr)
