"""What the operator has to say of a stage before it can be synthesized."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure import addresses
from infrastructure.__main__ import PLACEHOLDERS
from infrastructure.addresses import AddressesError
from infrastructure.stages import DEV, PROD, STAGES
from tests.conftest import ROOT

REAL = """
[prod]
alarm_email = "on-call@hospital.test"
origins = ["https://images.hospital.test"]
callbacks = ["https://images.hospital.test/", "http://localhost:9401/"]
problem_type_base = "https://images.hospital.test/errors#"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stages.toml"
    path.write_text(REAL)
    return path


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_a_stage_that_people_rely_on_is_not_synthesized_without_addresses(stage: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infrastructure", "synth", "--stage", stage, "--no-check"]
    files = ["--addresses", str(tmp_path / "stages.toml"), "--output", str(tmp_path / "build")]

    done = subprocess.run([*command, *files], cwd=ROOT, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert f"[{stage}]" in done.stderr
    for name in addresses.REQUIRED:
        assert f"{name} = " in done.stderr
    assert not (tmp_path / "build").exists()


def test_dev_is_synthesized_without_addresses(tmp_path: Path) -> None:
    assert addresses.of(DEV, tmp_path / "stages.toml") == DEV


def test_the_addresses_are_those_of_the_file(file: Path) -> None:
    stage = addresses.of(PROD, file)

    assert (stage.alarm_email, stage.origins) == ("on-call@hospital.test", ("https://images.hospital.test",))
    assert stage.callbacks == ("https://images.hospital.test/", "http://localhost:9401/")
    assert stage.problem_type_base == "https://images.hospital.test/errors#"


@pytest.mark.parametrize("name", addresses.REQUIRED)
def test_what_is_missing_is_named_with_a_line_to_write(file: Path, name: str) -> None:
    without = [line for line in REAL.splitlines() if not line.startswith(name)]
    file.write_text("\n".join(without))

    with pytest.raises(AddressesError) as raised:
        addresses.of(PROD, file)
    assert re.findall(r"^(\w+) = ", str(raised.value), re.MULTILINE) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alarm_email", '"someone@example.org"'),
        ("alarm_email", '"someone@mail.example.com"'),
        ("alarm_email", '"someone"'),
        ("origins", '["https://images.example.org"]'),
        ("origins", '["https://images.EXAMPLE.org"]'),
        ("origins", '["http://localhost:5173"]'),
        ("origins", '["https://images.hospital.test/"]'),
        ("origins", '"https://images.hospital.test"'),
        ("callbacks", '["https://images.example.org/"]'),
        ("callbacks", '["https://images.example.org"]'),
        ("callbacks", '["http://images.hospital.test/"]'),
        ("problem_type_base", '"https://images.hospital.test/errors"'),
        ("problem_type_base", '"https://images.example.org/errors#"'),
        ("zones", '["eu-central-1a"]'),
        ("zones", '["eu-central-1a", "eu-central-1a"]'),
        ("bucket", '"Images_of_ours"'),
        ("orgins", '["https://images.hospital.test"]'),
    ],
)
def test_an_address_that_leads_nowhere_or_has_no_such_form_is_refused(file: Path, name: str, value: str) -> None:
    others = [line for line in REAL.splitlines() if not line.startswith(name)]
    file.write_text("\n".join([*others, f"{name} = {value}"]))

    with pytest.raises(AddressesError, match=name):
        addresses.of(PROD, file)


def test_a_file_that_is_no_toml_is_named(file: Path) -> None:
    file.write_text("[prod")

    with pytest.raises(AddressesError, match=f"{file} is not valid TOML"):
        addresses.of(PROD, file)


def test_the_released_base_of_problem_types_may_be_kept(file: Path) -> None:
    """Clients may compare it."""
    released = "https://tagged-image-manager.example/problems/"
    file.write_text(REAL.replace("https://images.hospital.test/errors#", released))

    assert addresses.of(PROD, file).problem_type_base == released


@pytest.mark.parametrize("name", addresses.REQUIRED)
def test_each_line_of_the_message_is_an_example_that_is_itself_refused(file: Path, name: str) -> None:
    without = [line for line in REAL.splitlines() if not line.startswith(name)]
    file.write_text("\n".join(without))
    with pytest.raises(AddressesError) as raised:
        addresses.of(PROD, file)
    file.write_text("\n".join([*without, str(raised.value).splitlines()[-1]]))

    with pytest.raises(AddressesError, match=f"{name} .* leads nowhere"):
        addresses.of(PROD, file)


@pytest.mark.parametrize("stage", STAGES)
def test_the_tests_have_addresses_for_every_stage(stage: str) -> None:
    assert addresses.of(STAGES[stage], PLACEHOLDERS).name == stage
