"""The settings of the service that a stage may choose."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from chalicelib.config import SettingsError
from infrastructure import service
from infrastructure.stages import STAGES
from tests.conftest import ROOT
from tests.infrastructure.template import Template

DEV_WITH = """
import dataclasses, json, sys
from infrastructure import __main__, stages

stages.STAGES["dev"] = dataclasses.replace(stages.DEV, settings=json.loads(sys.argv.pop(1)))
sys.exit(__main__.main())
"""
"""`python -m infrastructure`, with other settings."""

CHOSEN = {"STUDY_DATE": "none", "BIN_DAYS": "90", "INDEXED_ATTRIBUTES": "Modality,Rows"}


def test_every_function_is_told_what_its_stage_chooses(package: Path, layer: Path, tmp_path: Path) -> None:
    command = ["synth", "--package", str(package), "--layer", str(layer), "--output", str(tmp_path), "--no-check"]
    done = subprocess.run([sys.executable, "-c", DEV_WITH, json.dumps(CHOSEN), *command], cwd=ROOT, check=False)
    template = Template(json.loads((tmp_path / "tagged-image-manager-dev.template.json").read_text()))

    assert done.returncode == 0
    for name, function in template.functions().items():
        assert function["Environment"]["Variables"].items() >= CHOSEN.items(), name


def test_a_setting_that_the_service_does_not_have_stops_the_synthesis() -> None:
    with pytest.raises(ValueError, match="STUDY_DAY"):
        service.checked({"STUDY_DAY": "none"})


def test_a_value_that_the_service_would_not_take_stops_the_synthesis() -> None:
    with pytest.raises(ValidationError, match="BIN_DAYS"):
        service.checked({"BIN_DAYS": "for ever"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXTRA_ATTRIBUTES", "PatientName"),
        ("EXTRA_ATTRIBUTES", "PatientID"),
        ("AUTO_TAGS", "{Nonsense}"),
        ("INDEXED_ATTRIBUTES", "Nonsense"),
    ],
)
def test_a_name_that_would_break_inspections_stops_the_synthesis(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} names "):
        service.checked({name: value})


@pytest.mark.parametrize("name", ["UPLOAD_URL_SECONDS", "DOWNLOAD_URL_SECONDS"])
def test_urls_that_would_live_longer_than_the_storage_allows_stop_the_synthesis(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        service.checked({name: "604801"})


@pytest.mark.parametrize("name", sorted(service.OF_THE_STACK))
def test_what_comes_of_the_deployment_no_stage_may_choose(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        service.checked({name: "1"})


@pytest.mark.parametrize("stage", STAGES)
def test_the_settings_of_every_stage_are_such(stage: str) -> None:
    service.checked(STAGES[stage].settings)
