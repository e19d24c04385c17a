"""The templates of the stages, each made once, in a process of its own, as `make synth` does."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infrastructure.__main__ import PLACEHOLDERS
from tests.conftest import ROOT, Once
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
def assembly(package: Path, layer: Path, once: Once) -> Callable[[str], Path]:
    """Of a stage."""
    return lambda stage: once(f"assembly-{stage}", lambda place: synthesize(stage, package, layer, place, "--no-check"))


@pytest.fixture(scope="session")
def template_of(assembly: Callable[[str], Path]) -> Callable[[str], Template]:
    return lambda stage: read(assembly(stage), stage)


def read(assembly: Path, stage: str) -> Template:
    content: dict[str, Any] = json.loads((assembly / f"tagged-image-manager-{stage}.template.json").read_text())
    return Template(content)


@pytest.fixture(scope="session")
def first_assembly(package: Path, once: Once) -> Path:
    """Of the first deployment of prod, and with another layer than the others have."""
    layer = once("another-layer.zip", _another_layer)
    return once("assembly-first", lambda place: synthesize("prod", package, layer, place, "--no-check", "--first"))


def _another_layer(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("python/another_library.py", "")


@pytest.fixture(scope="session")
def first_prod(first_assembly: Path) -> Template:
    return read(first_assembly, "prod")


@pytest.fixture(scope="session")
def dev(template_of: Callable[[str], Template]) -> Template:
    return template_of("dev")


@pytest.fixture(scope="session")
def prod(template_of: Callable[[str], Template]) -> Template:
    return template_of("prod")
