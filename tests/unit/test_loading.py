"""What a cold start loads, and what it leaves for when it is needed."""

import json
import random
import subprocess
import sys
from types import ModuleType

import pytest

from chalicelib import loading, snapshot
from tests.conftest import ROOT

HEAVY = {"sqlalchemy", "psycopg2", "alembic", "boto3", "botocore.session", "chalicelib.services.uploads"}

IMAGING = {"pydicom", "numpy", "PIL.Image", "gdcm", "openjpeg"}


def loaded_by(code: str) -> set[str]:
    """The modules in a new process that has run this."""
    code += "; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_app_loads_neither_the_database_nor_the_sdk() -> None:
    # A module that is put off has its name in sys.modules already; what it would import has not.
    assert loaded_by("import app").isdisjoint(HEAVY - {"chalicelib.services.uploads"})


def test_a_module_is_loaded_when_something_of_it_is_used() -> None:
    assert "sqlalchemy" in loaded_by("import app; app.migration.migrate")


def test_what_a_snapshot_holds_is_all_that_a_request_loads() -> None:
    assert loaded_by("import app; app.snapshot.prepare()") >= HEAVY - {"alembic"}


def test_nothing_but_the_inspection_loads_imaging_libraries() -> None:
    others = "app.snapshot.prepare(); app.storage.take_in; app.reconciliation.reconcile; app.housekeeping.tidy"

    assert loaded_by(f"import app; {others}").isdisjoint(IMAGING)
    assert loaded_by("import app; app.inspection.inspect") >= IMAGING


def test_two_processes_of_one_snapshot_draw_different_numbers() -> None:
    drawn = set()
    for _ in range(2):
        random.seed(7)
        snapshot.renew()
        drawn.add(random.random())

    assert len(drawn) == 2


def test_there_is_no_module_but_those_that_there_are() -> None:
    find = loading.when_used("chalicelib.services")

    assert isinstance(find("uploads"), ModuleType)
    with pytest.raises(AttributeError, match=r"chalicelib\.services\.downloads"):
        find("downloads")
