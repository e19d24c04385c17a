"""The templates of the stages, each made once, in a process of its own, as `make synth` does."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infrastructure.__main__ import PLACEHOLDERS
from tests.conftest import ROOT
from tests.infrastructure.template import Template


def synthesize(stage: str, package: Path, layer: Path, directory: Path, *options: str) -> Path:
    """Where the template and what belongs to it lie."""
    command = [sys.executable, "-m", "infrastructure", "synth", "--stage", stage]
    command += ["--package", str(package), "--layer", str(layer), "--addresses", str(PLACEHOLDERS)]
    done = subprocess.run(
        [*command, "--output", str(directory), *options], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="session")
def assembly(package: Path, layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Of a stage."""

    @cache
    def made(stage: str) -> Path:
        return synthesize(stage, package, layer, tmp_path_factory.mktemp("assembly") / stage, "--no-check")

    return made


@pytest.fixture(scope="session")
def template_of(assembly: Callable[[str], Path]) -> Callable[[str], Template]:
    return lambda stage: read(assembly(stage), stage)


def read(assembly: Path, stage: str) -> Template:
    content: dict[str, Any] = json.loads((assembly / f"tagged-image-manager-{stage}.template.json").read_text())
    return Template(content)


@pytest.fixture(scope="session")
def first_assembly(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the first deployment of prod, and with another layer than the others have."""
    directory = tmp_path_factory.mktemp("first")
    other_layer = directory / "imaging.zip"
    with zipfile.ZipFile(other_layer, "w") as archive:
        archive.writestr("python/another_library.py", "")
    return synthesize("prod", package, other_layer, directory / "prod", "--no-check", "--first")


@pytest.fixture(scope="session")
def first_prod(first_assembly: Path) -> Template:
    return read(first_assembly, "prod")


@pytest.fixture(scope="session")
def dev(template_of: Callable[[str], Template]) -> Template:
    return template_of("dev")


@pytest.fixture(scope="session")
def prod(template_of: Callable[[str], Template]) -> Template:
    return template_of("prod")
