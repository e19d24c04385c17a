"""The database's users, made on real PostgreSQL by a master user who, as on Aurora, is no superuser."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import make_url

from chalicelib.config import settings
from chalicelib.database import engine as product
from chalicelib.database import migrations
from infrastructure import roles

MASTER = "master"
PASSWORD = "only-for-this-test"


@pytest.fixture(scope="module")
def master(stack: dict[str, Any]) -> Iterator[str]:
    """The URL of the master user, who owns the database and may create roles; rds_iam is there, as on Aurora."""
    superuser = psycopg2.connect(stack["database_url"])
    superuser.autocommit = True
    cursor = superuser.cursor()
    cursor.execute("CREATE ROLE rds_iam NOLOGIN")
    cursor.execute(f"CREATE ROLE {MASTER} LOGIN CREATEROLE CREATEDB PASSWORD %s", [PASSWORD])
    cursor.execute(f"GRANT rds_iam TO {MASTER} WITH ADMIN OPTION")
    cursor.execute(f"CREATE DATABASE {roles.DATABASE} OWNER {MASTER}")
    inside = psycopg2.connect(_url(stack["database_url"], database=roles.DATABASE))
    inside.cursor().execute(f"ALTER SCHEMA public OWNER TO {MASTER}")
    inside.commit()
    inside.close()
    yield _url(stack["database_url"], username=MASTER, password=PASSWORD, database=roles.DATABASE)
    cursor.execute(f"DROP DATABASE {roles.DATABASE} WITH (FORCE)")
    superuser.close()


@pytest.fixture(scope="module")
def made(master: str) -> str:
    """Made twice, as every deployment makes them again; and given passwords, which stand for tokens."""
    connection = psycopg2.connect(master)
    for _ in range(2):
        connection.cursor().execute(roles.sql())
        connection.commit()
    for role in (roles.MIGRATOR, roles.SERVICE):
        connection.cursor().execute(f"ALTER ROLE {role} PASSWORD %s", [PASSWORD])
    connection.commit()
    connection.close()
    return master


@pytest.fixture(scope="module")
def migrated(made: str) -> Iterator[str]:
    """By the migrator, through the product's own engine, which gets the password as it gets the token."""
    given = pytest.MonkeyPatch()
    given.setattr(product, "_password_sources", [lambda *_: PASSWORD])
    given.setenv("DATABASE_URL", _url(made, username=roles.MIGRATOR, password=None, driver="postgresql+psycopg2"))
    _forget()
    migrations.upgrade()
    yield made
    given.undo()
    _forget()


@pytest.fixture
def service(migrated: str) -> Iterator[Any]:
    connection = psycopg2.connect(_url(migrated, username=roles.SERVICE))
    yield connection.cursor()
    connection.rollback()
    connection.close()


def _url(url: str, driver: str = "postgresql", **changed: Any) -> str:
    return make_url(url)._replace(drivername=driver, **changed).render_as_string(hide_password=False)


def _forget() -> None:
    settings.cache_clear()
    product.forget()


def test_the_service_works_with_what_the_migrator_has_made(service: Any) -> None:
    service.execute(
        "INSERT INTO images (created_by, filename, content_type, size, object_key, status, metadata, attributes)"
        " VALUES ('ann', 'a.dcm', 'application/dicom', 1, 'images/a', 'pending', '{}', '{}') RETURNING id"
    )
    (image_id,) = service.fetchone()
    service.execute("INSERT INTO tags (name, folded) VALUES ('ct', 'ct') RETURNING id")
    (tag_id,) = service.fetchone()
    service.execute("INSERT INTO image_tags VALUES (%s, %s)", [image_id, tag_id])
    service.execute("INSERT INTO indexed_attributes (keyword) VALUES ('Modality')")
    service.execute('UPDATE images SET attributes = \'{"Modality": "CT"}\' WHERE id = %s', [image_id])
    service.execute("SELECT count(*) FROM hidden_image_tags WHERE image_id = %s", [image_id])
    assert service.fetchone() == (1,)
    service.execute("DELETE FROM images WHERE id = %s", [image_id])
    service.execute("SELECT count(*) FROM tag_count_changes WHERE tag_id = %s", [tag_id])
    assert service.fetchone() == (2,)


@pytest.mark.parametrize(
    "forbidden",
    ["CREATE TABLE mine (id int)", "DROP TABLE image_tags", "ALTER TABLE images ADD mine int", "TRUNCATE tags"],
)
def test_the_service_cannot_change_the_schema(service: Any, forbidden: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        service.execute(forbidden)


def test_the_service_has_the_settings_that_the_proxy_does_not_take(service: Any) -> None:
    for name, value in product.session_settings(roles.STATEMENT_TIMEOUT_SECONDS).items():
        service.execute(f"SHOW {name}")
        assert service.fetchone() == (value,)


def test_the_time_limit_is_the_one_that_the_service_thinks_it_has() -> None:
    assert settings().statement_timeout_seconds == roles.STATEMENT_TIMEOUT_SECONDS
