"""The code of the previous release works on today's schema: so it does while a deployment migrates and moves traffic,
and after a rollback."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.conftest import ROOT
from tests.integration.conftest import a_database
from tests.lambda_runtime import every_operation, history, release, runtime
from tests.lambda_runtime.conftest import settings_of
from tests.lambda_runtime.history import NoPreviousReleaseError


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the code of the previous release."""
    if not history.is_repository(ROOT):
        pytest.skip("this is no git repository, so there is no code of the previous release")
    commit = history.previous_release(ROOT)
    return history.unpack(ROOT, commit, tmp_path_factory.mktemp("previous"))


@pytest.fixture
def migrated(stack: dict[str, Any]) -> Iterator[dict[str, str]]:
    """A database that today's code has migrated; the settings of functions that use it."""
    with a_database(stack["database_url"], "previous_release") as url:
        settings = settings_of(stack | {"database_url": url})
        with runtime.running("app.migrate", ROOT, settings | {"PYTHONPATH": release.PACKAGES}) as function:
            assert function.invoke({}).kind == "response"
        yield settings


def _execute(settings: dict[str, str], sql: str) -> None:
    url = settings["DATABASE_URL"].replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)


def _age_in(settings: dict[str, str]) -> Callable[[int], None]:
    """Returns what moves the time at which an image went to the bin."""
    return lambda image_id: _execute(
        settings, f"UPDATE images SET deleted_at = deleted_at - interval '40 days' WHERE id = {image_id}"
    )


def test_the_previous_release_does_everything_on_todays_schema_and_today_works_with_its_rows(
    previous: Path, migrated: dict[str, str]
) -> None:
    make_old = _age_in(migrated)
    with release.running(previous, migrated) as old:
        left = every_operation.call_everything(old, "old", make_old)
        binned = every_operation.bin_one(old, "binned")
    make_old(binned)
    with release.running(ROOT, migrated) as new:
        every_operation.use(new, left)
        every_operation.purge(new, binned)
        every_operation.call_everything(new, "new", make_old)


def test_a_column_that_the_previous_release_uses_must_not_go(previous: Path, migrated: dict[str, str]) -> None:
    """So the test above fails when a migration drops one a release too early."""
    _execute(migrated, "ALTER TABLE images DROP COLUMN metadata")

    with pytest.raises(AssertionError, match="POST /images: 500"), release.running(previous, migrated) as old:
        every_operation.call_everything(old, "old", _age_in(migrated))


def _clone(source: str, directory: Path, *options: str) -> Path:
    subprocess.run(["git", "clone", "--quiet", *options, source, directory], check=True)
    return directory


@pytest.mark.usefixtures("previous")
def test_a_clone_that_is_too_shallow_is_one_clear_sentence(tmp_path: Path) -> None:
    shallow = _clone(f"file://{ROOT}", tmp_path / "shallow", "--depth", "1")

    with pytest.raises(NoPreviousReleaseError, match="run `git fetch --unshallow`"):
        history.previous_release(shallow)


@pytest.fixture
def clone(previous: Path, tmp_path: Path) -> Path:
    """Of the last commit, with nothing but the migrations in the working tree."""
    clone = _clone(str(ROOT), tmp_path / "clone", "--no-checkout", "--shared")
    subprocess.run(["git", "-C", clone, "checkout", "--quiet", "HEAD", "--", history.MIGRATIONS], check=True)
    return clone


def test_the_previous_release_is_the_newest_one_with_other_migrations(clone: Path) -> None:
    found = history.previous_release(clone)

    later = history.git(clone, "rev-list", "--first-parent", f"{found}..HEAD").split()
    assert later
    assert history.committed(clone, found) != history.committed(clone, "HEAD")
    assert all(history.committed(clone, commit) == history.committed(clone, "HEAD") for commit in later)


def test_while_a_migration_is_not_committed_the_last_commit_is_the_previous_release(clone: Path) -> None:
    (clone / history.MIGRATIONS / "9999_next.py").write_text("revision = '9999'\n")

    assert history.previous_release(clone) == history.git(clone, "rev-parse", "HEAD").strip()


def test_a_copy_without_history_is_no_repository(tmp_path: Path) -> None:
    shutil.copy(ROOT / "app.py", tmp_path)

    assert not history.is_repository(tmp_path)
