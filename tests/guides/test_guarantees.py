"""Each proof that the page of guarantees names is there to be run, in the file beside which it is named."""

import ast
import re
from pathlib import Path

import pytest

from infrastructure.stages import STAGES
from local import ROOT

PAGE = ROOT / "design-docs" / "guarantees.md"
PROMISES = PAGE.read_text().split("\n## ")[1:]
MARKS_THAT_SKIP = {"skip", "skipif", "xfail"}


LINK = r"\]\(\.\./(tests/[\w/]+\.py)\)"
NAME = r"`([a-z]+(?:_[a-z0-9]+){2,})`"
LINK_AFTER = rf"(?: and others)? in \[[\w/.]+{LINK}"


def proofs(promise: str) -> list[tuple[Path, str]]:
    """Names, each with the file in which it has to be: the one that "in" links, or else the last one before."""
    found, file = [], ROOT / "none"
    for match in re.finditer(rf"{NAME}(?:{LINK_AFTER})?|{LINK}", promise):
        name, link_after, link = match.groups()
        if name:
            found.append((ROOT / link_after if link_after else file, name))
        file = ROOT / link if link else file
    return found


def runnable(file: Path) -> set[str]:
    """Functions of the module itself, not those within others or in text; of a file of tests, what pytest runs."""
    defined = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    if file.name.startswith("test_"):
        defined = [node for node in defined if node.name.startswith("test_") and not _skipped(node)]
    return {node.name for node in defined}


def _skipped(function: ast.FunctionDef) -> bool:
    marks = (
        node.attr for mark in function.decorator_list for node in ast.walk(mark) if isinstance(node, ast.Attribute)
    )
    return not MARKS_THAT_SKIP.isdisjoint(marks)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.partition("\n")[0])
def test_a_guarantee_names_tests_that_exist(promise: str) -> None:
    named = proofs(promise)

    assert named or "The same test" in promise or "[tests/" in promise
    assert [(str(file), name) for file, name in named if not file.exists() or name not in runnable(file)] == []


def test_a_proof_that_is_not_there_is_found(tmp_path: Path) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(
        "import pytest\n\n"
        "def test_it_is_kept(): ...\n\n"
        "def a_mere_helper_of_it(): ...\n\n"
        "@pytest.mark.skip(reason='later')\ndef test_it_is_skipped(): ...\n\n"
        "def around():\n    def test_it_is_within(): ...\n\n"
        "TEXT = '''\ndef test_it_is_text(): ...\n'''\n"
    )

    assert runnable(file) == {"test_it_is_kept"}


def test_a_name_counts_for_the_file_before_it_and_no_other() -> None:
    page = (
        "[one](../tests/a/test_one.py) `test_of_the_one` and `test_of_a_third` in [three](../tests/three.py), then "
        "[two](../tests/b/test_two.py)\n`test_of_the_other`"
    )

    assert proofs(page) == [
        (ROOT / "tests/a/test_one.py", "test_of_the_one"),
        (ROOT / "tests/three.py", "test_of_a_third"),
        (ROOT / "tests/b/test_two.py", "test_of_the_other"),
    ]


@pytest.mark.parametrize(
    ("row", "setting"),
    [
        ("requests per second, all callers", "requests_a_second"),
        ("burst", "burst"),
        ("requests at the same time", "concurrency"),
    ],
)
def test_the_quotas_on_the_page_are_those_of_the_stages(row: str, setting: str) -> None:
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {row} |")]
    quotas = [getattr(stage, setting) for stage in STAGES.values()]

    assert line == f"| {row} | {' | '.join(f'{quota:,}' if quota else 'what the account allows' for quota in quotas)} |"
