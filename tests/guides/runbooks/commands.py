"""The commands of the AWS CLI that a page holds, and whether the CLI has them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_BEGIN = re.compile(r"(?<![\w./-])aws (?=--|[a-z][a-z0-9-]* [a-z])")
_ENDS = "|;)&\n`<>"
_FENCED = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^(?: {4}.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`(aws [^`]+)`")


@dataclass(frozen=True)
class Command:
    line: int
    words: tuple[str, ...]
    """Without `aws`. What the shell would substitute is left out."""
    is_whole: bool
    """False in a sentence, which may leave out options."""


def commands(page: str) -> Iterator[Command]:
    """Yield the commands in the code of a page."""
    outside = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), page)
    for pattern, text, is_whole in ((_FENCED, page, True), (_INDENTED, outside, True), (_INLINE, outside, False)):
        for code in pattern.finditer(text):
            group = 1 if pattern.groups else 0
            above = text.count("\n", 0, code.start(group)) + 1
            for line, words in _found(code[group]):
                yield Command(above + line, words, is_whole)


def _found(code: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    for begin in _BEGIN.finditer(code):
        end = begin.end()
        while end < len(code) and code[end] not in _ENDS:
            end = _behind(code, end)
        plain = _without_substitutions(code[begin.end() : end].replace("\\\n", " "))
        yield code.count("\n", 0, begin.start()), tuple(shlex.split(plain))


def _behind(text: str, at: int) -> int:
    """Return the place behind a quotation, a substitution, or else a single character."""
    if text[at] == "'":
        return text.index("'", at + 1) + 1
    if text.startswith(("$(", "<("), at):
        at += 2
        while text[at] != ")":
            at = _behind(text, at)
        return at + 1
    if text[at] == '"':
        at += 1
        while text[at] != '"':
            at = _behind(text, at) if text.startswith("$(", at) else at + (2 if text[at] == "\\" else 1)
        return at + 1
    return at + (2 if text[at] == "\\" else 1)


def end_of_word(text: str, start: int) -> int:
    while not text[start].isspace():
        start = _behind(text, start)
    return start


def _without_substitutions(text: str) -> str:
    while (start := text.find("$(")) >= 0:
        text = text[:start] + "SUBSTITUTED" + text[_behind(text, start) :]
    return text


@cache
def _driver() -> Any:
    from awscli.clidriver import create_clidriver  # noqa: PLC0415  slow, and only needed here

    return create_clidriver()


def complaint(command: Command) -> str | None:
    """Return what the AWS CLI does not know of a command, or what it misses; None when it would run."""
    driver, words = _driver(), list(command.words)
    everywhere = {f"--{name}" for name in driver._get_argument_table()}
    table, found = driver._get_command_table(), None
    while table and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in table:
            return f"There is no command {name}."
        found = table[name]
        table = _subcommands(found)
    arguments = {f"--{name}": one for name, one in (found.arg_table if found else {}).items()}
    options = [word for word in words if re.match(r"--[a-z]", word)]
    if unknown := [option for option in options if option not in arguments.keys() | everywhere]:
        return f"There is no option {', '.join(unknown)}."
    needed = [option for option, one in arguments.items() if one.required and one.name != "outfile"]  # it has no dashes
    missing = [option for option in needed if {option, option.replace("--", "--no-", 1)}.isdisjoint(options)]
    return f"{', '.join(missing)} is missing." if missing and command.is_whole else None


def _subcommands(command: Any) -> Any:
    for name in ("_get_command_table", "subcommand_table"):
        if hasattr(command, name):
            table = getattr(command, name)
            return table() if callable(table) else table
    return None
