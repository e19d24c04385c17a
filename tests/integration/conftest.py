"""Real PostgreSQL and the real emulator: the running stack's, with a database of the tests' own."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from chalicelib.aws import clients, dynamodb
from chalicelib.config import settings
from chalicelib.database import engine as engine_module
from chalicelib.database import migrations


@pytest.fixture(scope="session")
def database(stack: dict[str, Any]) -> Iterator[str]:
    """A migrated database, which the product's own engine uses too; its URL."""
    name = "integration"
    connection = psycopg2.connect(stack["database_url"])
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    url = stack["database_url"].rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg2://") + f"/{name}"
    os.environ |= {"DATABASE_URL": url, "AWS_ENDPOINT_URL": stack["aws_endpoint_url"]}
    for cached in (settings, engine_module.engine, clients.s3, dynamodb.server):
        cached.cache_clear()
    migrations.upgrade()
    yield url
    engine_module.engine().dispose()
    del os.environ["AWS_ENDPOINT_URL"]


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
        connection.exec_driver_sql("TRUNCATE images, tags CASCADE")
