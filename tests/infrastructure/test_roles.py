"""The database's users, made on real PostgreSQL by a master user who, as on Aurora, is no superuser."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import OperationalError
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import make_url

from chalicelib.config import settings
from chalicelib.database import engine as product
from chalicelib.database import migrations
from infrastructure import roles
from local import ROOT, postgres
from tests.conftest import free_port
from tests.local.conftest import fresh_directory

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
    cursor.execute(f"GRANT rds_iam TO {MASTER} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
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


_BEFORE_0011 = f"""
    GRANT {roles.MIGRATOR} TO CURRENT_USER;
    ALTER DEFAULT PRIVILEGES FOR ROLE {roles.MIGRATOR} IN SCHEMA public
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {roles.SERVICE}
"""
"""What versions before migration 0011 did beside what `roles.sql` does now."""

_HBA = f"""
host all {postgres.NAME} 127.0.0.1/32 scram-sha-256
host all +rds_iam        127.0.0.1/32 reject
host all all             127.0.0.1/32 scram-sha-256
"""
"""A member of `rds_iam`, direct or indirect, cannot sign in by password."""


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """The URL of the superuser of a server where members of `rds_iam` cannot sign in by password."""
    with fresh_directory() as directory:
        server = postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")
        server.wait_until_ready()
        (directory / "postgres" / "cluster" / "pg_hba.conf").write_text(_HBA)
        _run(server.url, "SELECT pg_reload_conf()")
        yield server.url
        server.stop()


@pytest.fixture
def superuser(strict: str) -> Iterator[Any]:
    """A cursor on that server, where there are no users yet."""
    with closing(psycopg2.connect(strict)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"DROP DATABASE IF EXISTS {roles.DATABASE} WITH (FORCE)")
        cursor.execute(f"DROP ROLE IF EXISTS {', '.join((*roles.USERS, MASTER, 'rds_iam'))}")
        cursor.execute("CREATE ROLE rds_iam NOLOGIN")
        yield cursor


@pytest.fixture
def signing_in(strict: str, superuser: Any) -> str:
    """The URL of a master user. It is a superuser, since the master user of RDS may grant `rds_iam` without being a
    member of it, which on PostgreSQL only a superuser may."""
    superuser.execute(f"CREATE ROLE {MASTER} LOGIN SUPERUSER PASSWORD %s", [PASSWORD])
    superuser.execute(f"CREATE DATABASE {roles.DATABASE} OWNER {MASTER}")
    return _url(strict, username=MASTER, password=PASSWORD, database=roles.DATABASE)


def _run(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection:
        connection.cursor().execute(sql)


def test_the_master_user_still_signs_in_by_password_and_the_other_users_do_not(signing_in: str) -> None:
    _run(signing_in, roles.sql())

    _run(signing_in, roles.sql())
    _run(signing_in, f"ALTER ROLE {roles.MIGRATOR} PASSWORD '{PASSWORD}'")
    with pytest.raises(OperationalError, match=r"pg_hba\.conf rejects connection"):
        _run(_url(signing_in, username=roles.MIGRATOR), "SELECT 1")


def test_a_master_user_who_was_locked_out_by_an_earlier_version_is_let_in_again(signing_in: str) -> None:
    """By a session that is still open, or signed in by IAM."""
    with closing(psycopg2.connect(signing_in)) as open_session, open_session.cursor() as cursor:
        open_session.autocommit = True
        cursor.execute(roles.sql())
        cursor.execute(_BEFORE_0011)
        with pytest.raises(OperationalError, match=r"pg_hba\.conf rejects connection"):
            _run(signing_in, "SELECT 1")

        cursor.execute(roles.sql())

    _run(signing_in, "SELECT 1")


def test_users_whose_creator_is_dropped_leave_the_master_user_without_any_membership(
    strict: str, superuser: Any
) -> None:
    """The statements of the guide, for the case that RDS counts the membership that PostgreSQL gives to a creator."""
    superuser.execute(f"CREATE ROLE {MASTER} LOGIN CREATEROLE PASSWORD %s", [PASSWORD])
    master = _url(strict, username=MASTER, password=PASSWORD)
    guide = (ROOT / "design-docs" / "deployment.md").read_text()
    block = guide[guide.index("    CREATE ROLE creator") :].partition("\n\n")[0]

    _run(master, block)

    superuser.execute(f"GRANT rds_iam TO {', '.join(roles.USERS)}")
    _run(master, "SELECT 1")
    _run(master, "CREATE ROLE created_directly")
    superuser.execute("GRANT rds_iam TO created_directly")
    with pytest.raises(OperationalError, match=r"pg_hba\.conf rejects connection"):
        _run(master, "SELECT 1")
    superuser.execute("DROP ROLE created_directly")


def test_a_master_user_that_is_no_superuser_has_no_part_in_what_signs_in_by_token(made: str) -> None:
    """PostgreSQL makes the creator of a role its administrator, and that alone."""
    with closing(psycopg2.connect(made)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role('rds_iam', 'USAGE'), pg_has_role('migrator', 'USAGE'), pg_has_role('migrator', 'SET')"
        )
        assert cursor.fetchone() == (False, False, False)


@pytest.mark.usefixtures("migrated")
def test_the_service_works_with_a_table_that_a_later_migration_creates(made: str, service: Any) -> None:
    _run(_url(made, username=roles.MIGRATOR), "CREATE TABLE later (id int GENERATED ALWAYS AS IDENTITY, word text)")

    service.execute("INSERT INTO later (word) VALUES ('x'); UPDATE later SET word = 'y'; DELETE FROM later")

    service.connection.rollback()
    _run(_url(made, username=roles.MIGRATOR), "DROP TABLE later")


def test_the_privileges_are_the_same_however_often_they_are_granted_and_whatever_the_master_user_has_added(
    migrated: str,
) -> None:
    before = _privileges(migrated)
    _run(migrated, "CREATE TABLE reports (day date PRIMARY KEY)")
    _run(_url(migrated, username=roles.MIGRATOR), "UPDATE alembic_version SET version_num = '0010'")

    migrations.upgrade()

    _run(migrated, "DROP TABLE reports")
    assert _privileges(migrated) == before


def _privileges(url: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        found = cursor.fetchall()
        cursor.execute("SELECT defaclobjtype::text, defaclacl::text FROM pg_default_acl ORDER BY 1")
        return [*found, *cursor.fetchall()]
