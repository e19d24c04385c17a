"""The guides do what they say: each snippet is run against the running service and must print what the guide shows."""

from pathlib import Path
from typing import Any

import pytest

from local import ROOT
from tests.guides.snippets import LANGUAGES, QUERY, Block, blocks, run, shows

GUIDES = sorted((ROOT / "design-docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_snippets_of_a_guide_work_as_it_shows(stack: dict[str, Any], guide: Path) -> None:
    snippets = [block for block in blocks(guide.read_text()) if block.language in LANGUAGES]

    for snippet, printed in run(snippets, stack):
        if snippet.output is not None:
            assert shows(snippet.output, printed), f"Line {snippet.line} printed:\n{printed}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_holds_nothing_that_is_not_tested(guide: Path) -> None:
    found = blocks(guide.read_text())

    assert found
    assert {block.language for block in found} <= {*LANGUAGES, QUERY}
    assert guide.read_text().count("```") == 2 * sum(1 if block.output is None else 2 for block in found)


def test_a_snippet_that_prints_something_else_is_noticed(stack: dict[str, Any]) -> None:
    guide = (
        "```sh\nNAME=world\n```\n```sh\necho hello $NAME\n```\n```text\nhello …d\n```\n```python\nprint(1 + 1)\n```\n"
    )

    said = [(snippet.output, printed) for snippet, printed in run(blocks(guide), stack)]

    assert said == [(None, ""), ("hello …d\n", "hello world\n"), (None, "2\n")]
    assert shows("hello …d", "hello world\n")
    assert not shows("hello …d", "hello there\n")
    assert not shows("hello", "hello world\n")


@pytest.mark.parametrize(
    ("language", "text"),
    [("sh", "false"), ("python", "raise SystemExit(1)"), ("javascript", "throw new Error()")],
)
def test_a_snippet_that_fails_is_noticed(stack: dict[str, Any], language: str, text: str) -> None:
    snippets = [Block("sh", 1, "true"), Block(language, 4, text), Block("sh", 7, "true")]

    with pytest.raises(AssertionError, match="line 4 failed"):
        run(snippets, stack)
