"""One bash session, into which the blocks of runbooks are pasted one after the other."""

import os
import select
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import IO, Self

from local import ROOT
from tests.guides.runbooks import pages
from tests.guides.snippets import Block, shows

_END = b"\x1e"
_SECONDS = 120


class Shell:
    def __init__(self, environment: dict[str, str]) -> None:
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the session)
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self.paste("set -eu")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._errors.close()

    def paste(self, text: str) -> str:
        """Return what it printed. Raises AssertionError when it failed, or took too long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{{\n{text}\n}} < /dev/null\nprintf '\\036'\n".encode())
        self._process.stdin.flush()
        return self._printed(text)

    def _printed(self, text: str) -> str:
        assert self._process.stdout is not None
        descriptor, printed, deadline = self._process.stdout.fileno(), b"", time.monotonic() + _SECONDS
        while not printed.endswith(_END):
            readable, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
            more = os.read(descriptor, 65_536) if readable else b""
            if not more:
                raise AssertionError(f"This failed:\n{text}\nIt printed:\n{printed.decode()}\n{self.complaints()}")
            printed += more
        return printed[:-1].decode()

    def complaints(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-4000:]


class Runbook:
    """A runbook that is followed in a session."""

    def __init__(self, shell: Shell, name: str) -> None:
        self.sections = pages.sections(name)
        self._shell = shell
        self._done: set[int] = set()
        if pages.reaches_a_second_database(name):
            Runbook(shell, "README").follow("Reach a second database")

    def follow(self, *headings: str, **values: str) -> str:
        """Run the blocks below the headings that begin so, and compare what they print with what the runbook shows.
        Variables get `values` where they are set. Return what the last block printed."""
        printed = ""
        for block in self._below(headings):
            if pages.is_run_here(block):
                printed = self._shell.paste(pages.given(block.text, values))
                assert block.output is None or shows(block.output, printed), f"Line {block.line} printed:\n{printed}"
                self._done.add(block.line)
        return printed

    def left(self) -> list[int]:
        """Return the lines of the blocks that can be run here and have not been."""
        found = [block for blocks in self.sections.values() for block in blocks]
        return [block.line for block in found if pages.is_run_here(block) and block.line not in self._done]

    def _below(self, headings: tuple[str, ...]) -> list[Block]:
        """Of the heading that begins so; those above the first heading for an empty one."""
        blocks: list[Block] = []
        for wanted in headings:
            (name,) = [each for each in self.sections if each == wanted or (wanted and each.startswith(wanted))]
            blocks += self.sections[name]
        return blocks
