"""The function `migrate` of one version of the code, on a database that a later version migrated."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from chalicelib.database import catalog
from tests.conftest import ROOT
from tests.integration.conftest import a_database
from tests.lambda_runtime import release, runtime
from tests.lambda_runtime.conftest import settings_of
from tests.lambda_runtime.history import MIGRATIONS
from tests.lambda_runtime.runtime import Report

_NEXT = """
from alembic import op

revision, down_revision = {number!r}, {before!r}


def upgrade() -> None:
    op.execute("ALTER TABLE images ADD added_by_{number} text")
"""


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The code of a later version, which has one more migration."""
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", tmp_path)
    _add_migration(tmp_path)
    return tmp_path


def _add_migration(code: Path) -> str:
    """Returns its number."""
    before = max(path.name[:4] for path in (code / MIGRATIONS).glob("[0-9]*.py"))
    number = f"{int(before) + 1:04}"
    (code / MIGRATIONS / f"{number}_next.py").write_text(_NEXT.format(number=number, before=before))
    return number


@pytest.fixture
def settings(stack: dict[str, Any]) -> Iterator[dict[str, str]]:
    with a_database(stack["database_url"], "migrated_later") as url:
        yield settings_of(stack | {"database_url": url})


def _migrate(code: Path, settings: dict[str, str]) -> tuple[Report, list[dict[str, Any]]]:
    """Returns what the function reports, and its log."""
    with runtime.running("app.migrate", code, settings | {"PYTHONPATH": release.PACKAGES}) as function:
        report = function.invoke({})
    return report, [json.loads(line) for line in function.lines if line.startswith("{")]


def _state(settings: dict[str, str]) -> tuple[str, list[str]]:
    """Returns the revision of the database, and the columns that later versions have added."""
    with closing(psycopg2.connect(settings["DATABASE_URL"].replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT version_num FROM alembic_version")
        ((revision,),) = cursor.fetchall()
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE column_name LIKE 'added_by_%' ORDER BY 1"
        )
        return revision, [name for (name,) in cursor.fetchall()]


def test_a_version_that_is_deployed_again_leaves_a_newer_schema_alone_and_the_next_one_goes_on_from_there(
    later: Path, settings: dict[str, str]
) -> None:
    first = max(path.name[:4] for path in (later / MIGRATIONS).glob("[0-9]*.py"))
    assert _migrate(later, settings)[0].kind == "response"

    back, log = _migrate(ROOT, settings)

    assert back.kind == "response", back
    assert [(line["level"], line["message"], line["revision"]) for line in log] == [
        ("WARNING", "the schema is newer than this code and was not changed", first)
    ]
    assert log[0]["newest_known"] == f"{int(first) - 1:04}"
    assert _state(settings) == (first, [f"added_by_{first}"])

    second = _add_migration(later)
    assert _migrate(later, settings) == (Report("response", None), [])
    assert _state(settings) == (second, [f"added_by_{first}", f"added_by_{second}"])


def test_a_database_at_a_revision_of_another_numbering_is_an_error(settings: dict[str, str]) -> None:
    _migrate(ROOT, settings)
    with closing(psycopg2.connect(settings["DATABASE_URL"].replace("+psycopg2", ""))) as connection, connection:
        connection.cursor().execute("UPDATE alembic_version SET version_num = 'f00dfacecafe'")

    report, _ = _migrate(ROOT, settings)

    assert (report.kind, report.content["errorType"]) == ("error", catalog.SchemaError.__name__)
    assert "at revision f00dfacecafe" in report.content["errorMessage"]
