"""Each proof that the page of guarantees names is there to be run."""

import re

import pytest

from local import ROOT

PAGE = ROOT / "design-docs" / "guarantees.md"
PROMISES = PAGE.read_text().split("\n## ")[1:]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.partition("\n")[0])
def test_a_guarantee_names_tests_that_exist(promise: str) -> None:
    files = re.findall(r"\]\(\.\./(tests/\w[\w/]+\.py)\)", promise)
    proofs = re.findall(r"`([a-z]+(?:_[a-z0-9]+){2,})`", promise)
    defined = {name for file in files for name in re.findall(r"^def (\w+)", (ROOT / file).read_text(), re.MULTILINE)}

    assert files or "The same test" in promise
    assert set(proofs) <= defined
