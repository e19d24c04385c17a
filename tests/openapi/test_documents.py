"""What is generated is committed as it would be written."""

from pathlib import Path

import pytest

from openapi.__main__ import documents
from tests.conftest import ROOT

WRITTEN = documents()


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_a_generated_document_is_what_the_code_says(file: Path) -> None:
    assert file.read_text() == WRITTEN[file], f"run `make docs`: {file.relative_to(ROOT)} is stale"
