import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from chalicelib.database import catalog, migrations
from chalicelib.database.catalog import NewerSchemaError, SchemaError
from chalicelib.database.engine import engine as product_engine
from chalicelib.database.tables import Base
from local import ROOT
from tests.conftest import eventually
from tests.integration.conftest import a_database, for_psycopg2, used_by_the_product

_OLD = Path(__file__).parent / "old_databases" / "0007-28dc1ee.sql"


def test_the_migrated_database_is_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def test_the_recorded_catalog_is_that_of_a_new_database(engine: Engine) -> None:
    with engine.connect() as connection:
        assert catalog.live(connection) == catalog.recorded(), "run `make schema`"


@pytest.mark.parametrize("first", ["", _OLD.read_text()], ids=["new", "old"])
def test_of_two_migrations_at_once_one_waits_for_the_other_and_both_succeed(database: str, first: str) -> None:
    with a_database(database, "raced") as url, _session(url) as (holder, cursor):
        cursor.execute(first or "SELECT")
        cursor.execute("SELECT pg_advisory_lock(%s)", [migrations.ADVISORY_LOCK])
        holder.commit()
        both = [_migration(url) for _ in range(2)]
        eventually(lambda: _waiting(cursor) == 2, of="two migrations that wait for their turn")
        cursor.execute("SELECT pg_advisory_unlock(%s)", [migrations.ADVISORY_LOCK])
        ends = [(each.communicate(timeout=60)[0], each.returncode) for each in both]

        assert ends == [("", 0), ("", 0)]
        with used_by_the_product(url), product_engine().connect() as connection:
            assert catalog.live(connection) == catalog.recorded()


def _migration(url: str) -> subprocess.Popen[str]:
    """A process of its own."""
    command = [sys.executable, "-c", "from chalicelib.database import migrations; migrations.upgrade()"]
    settings = os.environ | {"DATABASE_URL": url}
    return subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _waiting(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    count: int = cursor.fetchone()[0]
    cursor.connection.commit()
    return count


@contextmanager
def _session(url: str) -> Iterator[tuple[Any, Any]]:
    with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection.cursor() as cursor:
        yield connection, cursor


CHANGED = {
    "ALTER TABLE images DROP COLUMN renewed_at": "column images.renewed_at is missing",
    "DROP INDEX images_waiting": "index images.images_waiting is missing",
    "ALTER TABLE images DISABLE TRIGGER image_listed": "trigger images.image_listed is 'CREATE TRIGGER",
    "ALTER TABLE tags ALTER image_count DROP DEFAULT": (
        "column tags.image_count is 'bigint NOT NULL' and should be 'bigint NOT NULL DEFAULT 0'"
    ),
    "ALTER TABLE images ALTER status DROP NOT NULL": "column images.status is 'text' and should be 'text NOT NULL'",
    "ALTER TABLE images DROP CONSTRAINT size_range": "constraint images.size_range is missing",
    "ALTER TABLE tags ADD CONSTRAINT short CHECK (length(name) < 9)": "constraint tags.short should not exist",
    "ALTER TABLE tags ADD owner text NOT NULL": "column tags.owner should not exist",
    "CREATE UNIQUE INDEX one_each ON images (filename)": "index images.one_each should not exist",
    "CREATE TRIGGER extra AFTER DELETE ON tags FOR EACH ROW EXECUTE FUNCTION image_binned()": (
        "trigger tags.extra should not exist"
    ),
    "CREATE OR REPLACE FUNCTION image_listed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": (
        "function image_listed() is"
    ),
    "CREATE RULE quiet AS ON DELETE TO tags DO INSTEAD NOTHING": "rule tags.quiet should not exist",
    "ALTER TABLE images ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY": ("security images.rows should not exist"),
    "DROP TABLE first_answers": "table first_answers is missing",
    "DROP EXTENSION intarray": "extension intarray is missing",
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_schema_is_refused_and_what_differs_is_named(engine: Engine, change: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(change)
        with pytest.raises(SchemaError) as refusal:
            catalog.check(connection)
        connection.rollback()

    assert CHANGED[change] in str(refusal.value)
    assert "Undo what was changed" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "addition",
    [
        "CREATE TABLE reports (day date PRIMARY KEY)",
        "CREATE INDEX images_by_filename ON images (filename)",
        "ALTER TABLE images ADD ward text, ADD reviewed boolean NOT NULL DEFAULT false",
        "CREATE ROLE reader; GRANT SELECT ON images TO reader",
        "CREATE VIEW present AS SELECT id FROM images WHERE status = 'present'",
        "ALTER TABLE image_tags SET (autovacuum_vacuum_scale_factor = 0.01)",
        "COMMENT ON TABLE images IS 'of the hospital'",
        "CREATE FUNCTION double(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'",
    ],
)
def test_what_an_operator_may_add_is_not_refused(engine: Engine, addition: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(addition)
        catalog.check(connection)
        connection.rollback()


def test_a_migration_ends_with_the_comparison_and_is_undone_when_the_schema_differs(database: str) -> None:
    with (
        a_database(database, "differing") as url,
        _session(url) as (connection, cursor),
        used_by_the_product(url),
    ):
        cursor.execute(_OLD.read_text() + "; DROP INDEX tags_by_folded")
        connection.commit()
        with pytest.raises(SchemaError, match=r"index tags\.tags_by_folded is missing"):
            migrations.upgrade()
        cursor.execute("SELECT version_num, to_regclass('first_answers') FROM alembic_version")
        assert cursor.fetchone() == ("0007", None)


def test_a_database_of_a_newer_version_is_refused_in_one_sentence(database: str) -> None:
    with a_database(database, "newer") as url, used_by_the_product(url):
        migrations.upgrade()
        with _session(url) as (connection, cursor):
            cursor.execute("UPDATE alembic_version SET version_num = '0999'")
            connection.commit()
        with pytest.raises(NewerSchemaError, match="at revision 0999, which this version of the code does not know"):
            migrations.upgrade()


def test_an_unknown_revision_that_is_no_later_one_is_not_taken_for_a_newer_version(database: str) -> None:
    with a_database(database, "foreign_revision") as url, used_by_the_product(url):
        migrations.upgrade()
        for revision in ("0000", "999", "00999", "a1b2c3d4e5f6", "0999_x"):
            with _session(url) as (connection, cursor):
                cursor.execute("UPDATE alembic_version SET version_num = %s", [revision])
                connection.commit()
            with pytest.raises(SchemaError, match=f"at revision {revision}, which .* not a later one") as refusal:
                migrations.upgrade()
            assert not isinstance(refusal.value, NewerSchemaError)


def test_a_database_of_another_encoding_is_refused(database: str) -> None:
    with (
        a_database(database, "latin", "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'") as url,
        used_by_the_product(url),
        pytest.raises(SchemaError, match="The encoding of the database is LATIN1"),
    ):
        migrations.upgrade()


def test_a_migration_does_not_wait_long_for_a_table(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 1)
    with (
        a_database(database, "busy") as url,
        _session(url) as (connection, cursor),
        used_by_the_product(url),
    ):
        cursor.execute(_OLD.read_text())
        connection.commit()
        cursor.execute("LOCK TABLE images IN ACCESS SHARE MODE")
        with pytest.raises(SchemaError, match="waited 1 seconds for a table that another session has locked"):
            migrations.upgrade()


def test_the_repair_does_nothing_to_a_database_that_needs_none(database: str) -> None:
    """Not even to the rows of the system's catalog, which every statement that changes a schema writes."""
    with a_database(database, "intact") as url, used_by_the_product(url):
        _upgrade_to("0009")
        with _session(url) as (connection, cursor):
            cursor.execute("UPDATE alembic_version SET version_num = '0008'")
            connection.commit()
            before = _written(cursor)
            _upgrade_to("0009")
            assert _written(cursor) == before


def _upgrade_to(revision: str) -> None:
    with product_engine().begin() as connection:
        command.upgrade(migrations._config(connection), revision)


def _written(cursor: Any) -> list[Any]:
    """Which version of each row there is."""
    found = []
    for table in ("pg_class", "pg_attribute", "pg_proc", "pg_trigger", "pg_constraint", "pg_description", "pg_index"):
        cursor.execute(f"SELECT '{table}', xmin::text, ctid::text FROM {table} ORDER BY 2, 3")
        found += cursor.fetchall()
    cursor.connection.commit()
    return found
