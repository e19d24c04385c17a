"""What is installed is what was pinned, and what is served or deployed has no licence that would bind it."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
SERVED_OR_DEPLOYED = ["requirements-dev.txt", "requirements.txt", "requirements-imaging.txt"]
"""What `make serve` installs, and what goes to Lambda."""

NPM_LOCKS = [
    file
    for file in sorted(ROOT.glob("**/package-lock.json"))
    if not {"node_modules", ".venv", "build"} & set(file.parts)
]


def requirements_in(text: str) -> list[str]:
    """Each with its marker and hashes, on one line."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def is_pinned(requirement: str) -> bool:
    return re.match(r"[a-z0-9._-]+==[^ ;]+ .*--hash=sha256:[0-9a-f]{64}\b", requirement) is not None


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.name)
def test_every_requirement_is_pinned_with_hashes(file: Path) -> None:
    requirements = requirements_in(file.read_text())

    assert requirements
    assert [each for each in requirements if not is_pinned(each)] == []


def test_a_requirement_that_is_not_pinned_with_hashes_is_noticed() -> None:
    digest = "0" * 64
    bad = ["a==1", "a", "a>=1 --hash=sha256:" + digest, "a==1 --hash=md5:0", "-e .", "a @ https://example.org/a.whl"]
    good = [f"a==1 \\\n    --hash=sha256:{digest}\n", f"a==1 ; python_version < '4' \\\n    --hash=sha256:{digest}"]

    assert [each for each in bad if any(map(is_pinned, requirements_in(each)))] == []
    assert all(map(is_pinned, requirements_in("".join(good))))


def test_the_makefile_installs_nothing_without_hashes_and_runs_nothing_that_is_not_locked() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    installs = [line for line in lines if "pip install" in line or ("npm " in line and "@" in line)]

    assert len(installs) >= 3
    assert [line for line in installs if "--require-hashes" not in line and "npm ci --ignore-scripts" not in line] == []
    assert [line for line in lines if "npx" in line] == []


@pytest.mark.parametrize("file", NPM_LOCKS, ids=lambda file: str(file.relative_to(ROOT).parent))
def test_every_npm_package_is_locked_with_its_hash(file: Path) -> None:
    asked = json.loads(file.with_name("package.json").read_text())
    packages = {name: one for name, one in json.loads(file.read_text())["packages"].items() if name}

    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
    for version in (asked.get("dependencies", {}) | asked.get("devDependencies", {})).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_tools_that_deploy_are_among_the_locked_packages() -> None:
    assert ROOT / "infrastructure" / "package-lock.json" in NPM_LOCKS
    assert "node_modules/aws-cdk" in json.loads((ROOT / "infrastructure" / "package-lock.json").read_text())["packages"]


def licence_of(metadata: Any) -> str:
    """Whatever a distribution says of its licence, in the ways that there have been."""
    named = [one for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    return " ".join([metadata.get("License-Expression") or "", (metadata.get("License") or "")[:200], *named])


def binds(licence: str) -> bool:
    """Whether it is the GNU General Public License, or the Affero one. The Lesser one lets others link to it."""
    without_lesser = re.sub(r"LGPL|GNU Library or Lesser General Public License", "", licence)
    return re.search(r"GPL|General Public License|Affero", without_lesser) is not None


@pytest.mark.parametrize("name", SERVED_OR_DEPLOYED)
def test_nothing_that_is_served_or_deployed_is_under_the_gpl(name: str) -> None:
    elsewhere = "sys_platform == 'win32'"
    wanted = [each for each in requirements_in((ROOT / name).read_text()) if elsewhere not in each]
    packages = [each.partition("==")[0] for each in wanted]
    licences = {package: licence_of(importlib.metadata.metadata(package)) for package in packages}

    assert len(licences) >= 6
    assert [package for package, licence in licences.items() if not licence.strip() or binds(licence)] == []


@pytest.mark.parametrize(
    ("licence", "does"),
    [
        ("GPLv2", True),
        ("GPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", True),
        ("AGPL-3.0-only", True),
        ("GNU Affero General Public License v3", True),
        ("LGPL with exceptions License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)", False),
        ("MIT", False),
        ("MPL-2.0", False),
    ],
)
def test_a_licence_that_binds_is_noticed(licence: str, does: bool) -> None:
    assert binds(licence) == does


def test_the_project_itself_says_under_which_licence_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["license"] == "MIT"
    assert (
        (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 2026 The Tagged Image Manager authors")
    )
