"""Fills a database with the made-up collection and with all that the service makes of it: the index of attributes and
packed links, by the service's own code.

Indexes are built when their table is full, those of the collection while the service indexes its attributes."""

import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context

import psycopg2

from benchmarks import building, collection
from chalicelib.database import attributes
from chalicelib.database.attributes import Backfill
from chalicelib.database.engine import chunk_transaction
from chalicelib.events import housekeeping, indexing

HIDDEN = ("hidden_image_tags",)
IMAGES_A_CHUNK = 10_000
"""Nobody else changes images meanwhile, so chunks may be long."""


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
    indexing.IMAGES_A_CHUNK = IMAGES_A_CHUNK
    housekeeping.SECONDS_A_RUN = 36_000
    housekeeping.TAGS_LOOKED_AT = 10**9


def _build_and_index(dsn: str) -> None:
    """A backfill begins when all transactions have ended that began before it: so it is asked for before indexes are
    built, and waits for whatever else there is."""
    indexing.index_attributes(deadline=0)
    with ThreadPoolExecutor(1) as beside:
        built = beside.submit(building.put_back, dsn, collection.TABLES, at_once=1)
        while not _all_indexed(dsn):
            _index_in_two_halves(dsn)
            indexing.index_attributes(deadline=math.inf)
        built.result()


def _index_in_two_halves(dsn: str) -> None:
    """Index the attributes of the newer and of the older half of the images at the same time. The service has one
    backfill at a time, which would leave a processor idle when the other indexes are built. The halves have no image in
    common: a link that is added twice is refused only once there is an index."""
    with chunk_transaction() as session:
        backfill = attributes.next_backfill(session)
    if backfill is None:
        return
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(_HALVES)
        newer, middle = cursor.fetchone() or (0, 0)
    with ProcessPoolExecutor(1, get_context("spawn")) as beside:
        older = beside.submit(_index, backfill._replace(position=middle))
        _index(backfill, newer)
        older.result()
    _index(backfill._replace(position=1))


def _index(backfill: Backfill, most: float = math.inf) -> None:
    """Index the attributes of at most `most` images, starting below the position of the backfill."""
    position = backfill.position
    while position > 0 and most > 0:
        with chunk_transaction() as session:
            attributes.in_the_background(session)
            chosen = backfill._replace(position=position)
            chunk = attributes.fill_in(session, chosen, int(min(most, IMAGES_A_CHUNK)))
        position, most = chunk.position, most - chunk.images


def _all_indexed(dsn: str) -> bool:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM indexed_attributes WHERE position > 0 AND removed_at IS NULL)")
        return bool(cursor.fetchone() == (True,))


def _timed(what: str, do: Callable[[], None]) -> None:
    begun = time.perf_counter()
    do()
    print(f"{what}: {time.perf_counter() - begun:,.0f} s", file=sys.stderr)


_HALVES = """
    WITH half AS (SELECT count(*) / 2 AS images FROM images WHERE deleted_at IS NULL)
    SELECT (SELECT images FROM half), (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id DESC OFFSET (SELECT images - 1 FROM half) LIMIT 1
    )
    """
"""How many images the newer half has, and the id of the oldest of them."""
