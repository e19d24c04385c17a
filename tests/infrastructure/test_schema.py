"""What keeps committed migrations as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure import schema
from infrastructure.schema import ROOT, SUMS, VERSIONS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Of the migrations, to be changed."""
    return Path(shutil.copytree(VERSIONS, tmp_path / "versions", ignore=shutil.ignore_patterns("__pycache__")))


def test_every_committed_migration_is_as_it_was_recorded() -> None:
    assert schema.faults() == []


def test_a_changed_migration_is_a_fault(copy: Path) -> None:
    step = copy / "0002_search.py"
    step.write_text(step.read_text() + "\n")

    assert schema.faults(copy) == [
        "0002_search.py was changed after it was committed. Restore it, and add a new migration."
    ]


def test_a_migration_that_disappeared_or_was_renamed_is_a_fault(copy: Path) -> None:
    (copy / "0002_search.py").rename(copy / "0002_find.py")

    assert schema.faults(copy) == [
        "0002_search.py has disappeared. Restore it.",
        "0002_find.py is not recorded. Run `make schema`.",
    ]


def test_a_new_migration_is_recorded_and_a_changed_one_stays_a_fault(copy: Path) -> None:
    (copy / "0002_search.py").write_text("changed")
    (copy / "9999_new.py").write_text("new")

    schema.record(copy)

    assert schema.faults(copy) == [
        "0002_search.py was changed after it was committed. Restore it, and add a new migration."
    ]
    assert (copy / SUMS).read_text().splitlines()[-1].endswith("  9999_new.py")


def test_lint_fails_when_a_migration_was_changed(copy: Path, tmp_path: Path) -> None:
    """The command that `make lint` runs, in a checkout in which one was."""
    checkout = tmp_path / "checkout"
    for name in ("chalicelib", "infrastructure", "local"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    step = checkout / VERSIONS.relative_to(ROOT) / "0001_images_and_tags.py"
    step.write_text(step.read_text().replace("bigint", "int"))
    (command,) = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if "infrastructure.schema --check" in line
    ]

    arguments = command.strip().removeprefix("@$(BIN)/python ").split()
    done = subprocess.run([sys.executable, *arguments], cwd=checkout, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("0001_images_and_tags.py was changed after it was committed.")
