"""Real PostgreSQL and the real emulator: the running stack's, with a database of the tests' own."""

import math
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from benchmarks import collection
from chalicelib.aws import clients, dynamodb
from chalicelib.config import settings
from chalicelib.database import engine as engine_module
from chalicelib.database import migrations, packing
from chalicelib.events import housekeeping, indexing

INDEXED = ("Modality", "BodyPartExamined", "Rows", "StudyDate", "StudyInstanceUID", "ImageType")
"""In the grown database; its images have a few others, which are not."""


@pytest.fixture(scope="session")
def database(stack: dict[str, Any]) -> Iterator[str]:
    """A migrated database, which the product's own engine uses too; its URL."""
    url = create_database(stack["database_url"], "integration")
    with pytest.MonkeyPatch.context() as patched, used_by_the_product(url):
        for name in ("aws_endpoint_url", "aws_access_key_id", "aws_secret_access_key"):
            patched.setenv(name.upper(), stack[name])
        clients.forget()
        dynamodb.forget()
        migrations.upgrade()
        yield url


@pytest.fixture(scope="session")
def grown_database(stack: dict[str, Any]) -> str:
    """With a collection of 20,000 images, or another that SEARCH_DATABASE names; its URL."""
    if named := os.environ.get("SEARCH_DATABASE"):
        return for_sqlalchemy(named)
    url = create_database(stack["database_url"], "grown")
    with pytest.MonkeyPatch.context() as patched, used_by_the_product(url):
        patched.setenv("INDEXED_ATTRIBUTES", ",".join(INDEXED))
        migrations.upgrade()
        collection.fill(for_psycopg2(url), 20_000)
        for name, value in {"BLOCK": 500, "LEAST_IMAGES": 200, "LEAST_SHARE": 0.01}.items():
            patched.setattr(packing, name, value)
        indexing.index_attributes(math.inf)
        housekeeping.tidy()
    _change_some(url)
    return url


def _change_some(url: str) -> None:
    """Since they were packed and indexed."""
    with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT setseed(0.5);
            DELETE FROM image_tags WHERE random() < 0.004;
            INSERT INTO image_tags SELECT i.id, t.id
                FROM (SELECT id FROM images WHERE deleted_at IS NULL AND random() < 0.01) i
                CROSS JOIN LATERAL (
                    SELECT id FROM tags WHERE i.id IS NOT NULL AND image_count > 500 ORDER BY random() LIMIT 3
                ) t ON CONFLICT DO NOTHING;
            UPDATE images SET attributes = attributes || '{"Rows": [768, 512], "StudyDate": "2019"}'
                WHERE random() < 0.02 AND attributes <> '{}'
            """
        )


@pytest.fixture(scope="module")
def grown(grown_database: str) -> Iterator[None]:
    """The product uses the grown database."""
    with used_by_the_product(grown_database):
        yield


@contextmanager
def used_by_the_product(url: str) -> Iterator[None]:
    """Its own engine, as long as this lasts."""
    before = os.environ["DATABASE_URL"]
    engine_module.engine().dispose()
    _use(url)
    yield
    engine_module.engine().dispose()
    _use(before)


def _use(url: str) -> None:
    os.environ["DATABASE_URL"] = url
    for cached in (settings, engine_module.engine):
        cached.cache_clear()


def create_database(beside: str, name: str, template: str = "template1") -> str:
    """Its URL."""
    with closing(psycopg2.connect(for_psycopg2(beside).rsplit("/", 1)[0] + "/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return for_sqlalchemy(beside.rsplit("/", 1)[0] + f"/{name}")


@contextmanager
def a_database(beside: str, name: str, options: str = "") -> Iterator[str]:
    """An empty one, as long as this lasts; its URL."""
    yield create_database(beside, name, f"template0 {options}")
    with closing(psycopg2.connect(for_psycopg2(beside))) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def for_sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://")


def for_psycopg2(url: str) -> str:
    return url.replace("postgresql+psycopg2://", "postgresql://")


@pytest.fixture(scope="session")
def engine(database: str) -> Iterator[Engine]:
    """With as many connections as a test wants."""
    engine = create_engine(database, pool_size=10)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Within a transaction that is rolled back when the test is over."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture
def committed(engine: Engine) -> Iterator[Engine]:
    """For tests that need several connections: what they commit is cleared away."""
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "TRUNCATE images, tags, tag_count_changes, packed_blocks, changed_images, scan_positions CASCADE"
        )
        connection.exec_driver_sql("TRUNCATE indexed_attributes, hidden_tag_count_changes, packed_tags CASCADE")
