"""Whoever follows a link in the documentation arrives."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ROOT

PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "design-docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target.read_text()), f"{target}#{anchor}"


def test_a_heading_gives_its_anchor_as_on_github() -> None:
    assert anchors("# Totals end at 10,000\n## The `ETag` is made\n") == {"totals-end-at-10000", "the-etag-is-made"}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Within the repository: the file and the anchor, if there is one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" not in path:
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(markdown: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
