"""Databases as every commit made them that added or changed a migration (see old_databases/README.md)."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from chalicelib.aws import storage
from chalicelib.database import catalog, migrations, search
from chalicelib.database.engine import engine, reading, transaction
from chalicelib.database.pages import Window
from chalicelib.database.search import AttributeRange, Criteria
from chalicelib.database.tables import Image, Tag
from chalicelib.events import housekeeping
from chalicelib.services import uploads
from chalicelib.services.uploads import StorageEvent
from tests.conftest import LambdaContext
from tests.integration.conftest import a_database, for_psycopg2, used_by_the_product
from tests.integration.test_middleware import event

DUMPS = sorted((Path(__file__).parent / "old_databases").glob("*.sql"))

NOT_KEPT = {"tag_count_changes": "id"}
"""A number that nothing has read."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=DUMPS, ids=lambda dump: dump.stem)
def dump(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def restored(database: str, dump: Path) -> Iterator[str]:
    """The product uses this old database; its URL."""
    with pytest.MonkeyPatch.context() as patched, a_database(database, f"old_{dump.stem.replace('-', '_')}") as url:
        _execute(url, dump.read_text())
        patched.setenv("BIN_DAYS", "36500")  # the dumps grow old
        patched.setenv("INDEXED_ATTRIBUTES", "Modality,Rows,StudyDate")
        with used_by_the_product(url):
            yield url


@pytest.fixture(scope="module")
def before(restored: str) -> Rows:
    return _rows(restored)


@pytest.fixture(scope="module")
def upgraded(restored: str, before: Rows) -> str:
    migrations.upgrade()
    return restored


def _execute(url: str, sql: str) -> None:
    with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)


def _rows(url: str) -> Rows:
    """Of every table, in any order."""
    with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        found: Rows = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(t) FROM {table} t")
            found[table] = [row for (row,) in cursor.fetchall()]
        return found


def _catalog() -> catalog.Catalog:
    with engine().connect() as connection:
        return catalog.live(connection)


def test_an_old_database_gets_the_catalog_of_a_new_one(upgraded: str) -> None:
    assert _catalog() == catalog.recorded()


def test_an_old_database_keeps_every_row(before: Rows, upgraded: str) -> None:
    _assert_kept(before, _rows(upgraded))


def _assert_kept(before: Rows, after: Rows) -> None:
    for table, rows in before.items():
        kept = [{name: row[name] for name in row if NOT_KEPT.get(table) != name} for row in rows]
        columns = kept[0].keys() if kept else set()
        left = [{name: row[name] for name in columns} for row in after[table]]
        assert _sorted(left) == _sorted(kept), table


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_to_upgrade_an_old_database_again_changes_nothing(upgraded: str) -> None:
    rows = _rows(upgraded)

    migrations.upgrade()

    assert (_catalog(), _rows(upgraded)) == (catalog.recorded(), rows)


@pytest.mark.parametrize("stem", ["0001-a4cb44f", "0002-a193f6a", "0005-42328a5", "0007-e89059a"])
def test_a_database_that_alembic_alone_has_upgraded_gets_the_catalog_of_a_new_one(database: str, stem: str) -> None:
    """By the recorded number, as versions before the repair did: it came up ready, and lacked columns or tables."""
    with a_database(database, "brought_to_0008") as url, used_by_the_product(url):
        _execute(url, next(dump for dump in DUMPS if dump.stem == stem).read_text())
        with engine().begin() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
            command.upgrade(config, "0008")
        before = _rows(url)
        assert catalog.differences(catalog.recorded(), _catalog())

        migrations.upgrade()

        assert _catalog() == catalog.recorded()
        _assert_kept(before, _rows(url))


@pytest.fixture(scope="module")
def app(upgraded: str) -> Any:
    from app import app  # noqa: PLC0415 (its settings exist only now)

    return app


def test_an_old_database_takes_every_kind_of_write(app: Any) -> None:
    def call(method: str, path: str, body: Any = None, key: str | None = None, **parameters: str) -> tuple[int, Any]:
        request = event(method, path, body, groups="admins", **parameters)
        request["headers"] |= {"Idempotency-Key": key} if key else {}
        answer = app(request, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"] or "null")

    binned = _id_of("binned.dcm")
    draft = {"filename": "new.dcm", "size": 4, "tags": ["ct", "new"], "metadata": {"ward": "B2"}}
    first = call("POST", "/images", draft, key="k")
    assert first[0] == 201
    assert call("POST", "/images", draft, key="k") == first
    _upload(first[1]["id"])
    assert call("GET", "/images/{image_id}", image_id=str(first[1]["id"]))[1]["status"] == "present"
    assert call("POST", "/images/{image_id}/restore", image_id=str(binned))[0] == 200
    assert call("PUT", "/images/{image_id}/tags/{name}", image_id=str(binned), name="new")[0] == 204
    assert call("DELETE", "/images/{image_id}/tags/{name}", image_id=str(binned), name="new")[0] == 204
    assert call("DELETE", "/images/{image_id}", image_id=str(_id_of("knee.dcm")))[0] == 204
    assert call("POST", "/tags", {"name": "Old name"})[0] in (200, 201)  # the tag was being purged, or is there


def _id_of(filename: str) -> int:
    with transaction() as session:
        return session.query(Image).where(Image.filename == filename).one().id


def _upload(image_id: int) -> None:
    with transaction() as session:
        key = session.get_one(Image, image_id).object_key
    storage.put(key, b"DICM", "application/dicom")
    with transaction() as session:
        assert uploads.take_in(session, StorageEvent(key, "01")) == "present"


CT, CHEST, C, WARD = "ct", "Chest", "C%", "B2"


def test_an_old_database_is_searched_and_counted_as_plain_python_does(app: Any) -> None:
    for _ in range(2):  # an attribute is indexed in steps
        housekeeping.tidy()

    with reading() as session:
        images = [image for image in session.query(Image).options(selectinload(Image.tags)) if not image.deleted_at]
        names = {image.id: {tag.name for tag in image.tags} for image in images}
        for asked, fits in (
            ({"exact_tags": (CT,)}, lambda image: CT in names[image.id]),
            ({"exact_tags": (CT, CHEST)}, lambda image: {CT, CHEST} <= names[image.id]),
            ({"match_tags": (C,)}, lambda image: any(name.lower().startswith("c") for name in names[image.id])),
            ({"untagged": True}, lambda image: not names[image.id]),
            ({"created_by": "bob"}, lambda image: image.created_by == "bob"),
            ({"uploaded_only": True}, lambda image: image.status == "present"),
            ({"metadata": (("ward", WARD),)}, lambda image: image.metadata_.get("ward") == WARD),
            ({"attributes": (("Modality", "CT"),)}, lambda image: image.attributes.get("Modality") == "CT"),
            ({"attribute_ranges": (AttributeRange("Rows", "512", None),)}, lambda image: "Rows" in image.attributes),
        ):
            page = search.find(session, Criteria(**asked), Window(100))
            assert [image.id for image in page.rows] == sorted((i.id for i in images if fits(i)), reverse=True), asked
            assert page.total == len(page.rows)
        counts = session.execute(select(Tag.name, Tag.image_count).where(Tag.deleted_at.is_(None))).all()
        assert dict(counts) == {name: sum(name in own for own in names.values()) for name, _ in counts}
