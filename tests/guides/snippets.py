"""The fenced blocks of a guide, as its reader runs them: pasted from top to bottom, in the root of a checkout.

Blocks of Python or JavaScript that follow one another are one session, begun in the shell of the blocks before them.
A block marked `text` or `json` is what the block before it prints; `…` in it stands for anything.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from local import ROOT

OUTPUT = {"text", "json"}
QUERY = "logs-insights"
ADDRESS = "http://127.0.0.1:8000"
"""Of `make serve`, unless it is told otherwise."""

_END = "\x1e"
"""Printed after each block, to tell what came of which."""

_ENDS = {
    "sh": r"printf '\036'",
    "python": f"print({_END!r}, end='', flush=True)",
    "javascript": 'process.stdout.write("\\x1e");',
}
_SESSIONS = {
    "python": f"{sys.executable} -",
    "javascript": f"{Path(sys.executable).with_name('node')} --input-type=module",
}
LANGUAGES = set(_ENDS)


@dataclass(frozen=True)
class Block:
    language: str
    line: int
    text: str
    output: str | None = None
    """What the guide says that it prints."""


def blocks(markdown: str) -> list[Block]:
    """Every fenced block, an output together with the snippet before it."""
    found: list[Block] = []
    for fence in re.finditer(r"^```(\S*)\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE):
        language, text = fence[1], fence[2]
        if language in OUTPUT:
            found.append(replace(found.pop(), output=text))
        else:
            found.append(Block(language, markdown.count("\n", 0, fence.start()) + 1, text))
    return found


def run(snippets: Sequence[Block], stack: dict[str, Any]) -> Iterator[tuple[Block, str]]:
    """Each snippet with what it printed. Fails where one fails."""
    state, address = Path(stack["log"]).parents[1], stack["api_url"].removesuffix("/v1")
    script = _script(snippets).replace(ADDRESS, address).replace(".local/", f"{state}/")
    ran = _run(snippets, script, {"STATE": str(state)})
    return ((snippet, printed.replace(address, ADDRESS)) for snippet, printed in ran)


def run_in(snippets: Sequence[Block], environment: dict[str, str]) -> Iterator[tuple[Block, str]]:
    """Yields each snippet, as it stands, with what it printed. Fails where one fails."""
    return _run(snippets, _script(snippets), environment)


def _run(snippets: Sequence[Block], script: str, environment: dict[str, str]) -> Iterator[tuple[Block, str]]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    printed = done.stdout.split(_END)
    if done.returncode:
        failed = snippets[len(printed) - 1]
        raise AssertionError(f"The snippet in line {failed.line} failed:\n{printed[-1]}\n{done.stderr}")
    return zip(snippets, printed[:-1], strict=True)


def shows(output: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(piece) for piece in output.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def _script(snippets: Sequence[Block]) -> str:
    return "\n".join(
        _session(language, [snippet.text for snippet in group])
        for language, group in groupby(snippets, key=lambda snippet: snippet.language)
    )


def _session(language: str, texts: Sequence[str]) -> str:
    lines = "\n".join(f"{text}\n{_ENDS[language]}" for text in texts)
    return lines if language == "sh" else f"{_SESSIONS[language]} <<'END OF SESSION'\n{lines}\nEND OF SESSION"
