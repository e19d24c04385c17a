"""The runbooks, block by block, as an operator pastes them."""

import re
import shlex

from local import ROOT
from tests.guides.runbooks.commands import end_of_word
from tests.guides.snippets import Block, blocks

HOME = ROOT / "design-docs" / "guides" / "runbooks"
PAGES = sorted(HOME.glob("*.md"))
ONLY_ON_AWS = "# On AWS only.\n"


def is_run_here(block: Block) -> bool:
    return not block.text.startswith(ONLY_ON_AWS)


def sections(name: str) -> dict[str, list[Block]]:
    """Return the blocks of a runbook by the heading above them, which is empty for those above the first one."""
    text = (HOME / f"{name}.md").read_text()
    headings = [(text.count("\n", 0, found.start()), found[1]) for found in re.finditer(r"(?m)^##+ (.*)$", text)]
    by_heading: dict[str, list[Block]] = {}
    for block in blocks(text):
        above = [heading for line, heading in headings if line < block.line]
        by_heading.setdefault(above[-1] if above else "", []).append(block)
    return by_heading


def reaches_a_second_database(name: str) -> bool:
    """Return whether the introduction of a runbook requires the blocks of that section."""
    introduction = (HOME / f"{name}.md").read_text().partition("\n##")[0]
    return "all blocks of [Reach a second database]" in " ".join(introduction.split())


def given(text: str, values: dict[str, str]) -> str:
    """Return a block with the variables that an operator is to set, set. Those that it does not set are passed over."""
    for name, value in values.items():
        if found := re.search(rf"(?m)(?:^|(?<= )){name}=", text):
            text = f"{text[: found.end()]}{shlex.quote(value)}{text[end_of_word(text, found.end()) :]}"
    return text
