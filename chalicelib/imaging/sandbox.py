"""A process of its own for each file: what a file makes of its reader ends with it.

The child asks for the parts of the file that it needs, and tells what it has found as it goes; so attributes are kept
when the pixels are its end. Nothing that it says is unpickled.
"""

import gc
import json
import multiprocessing
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from threading import Timer
from typing import NoReturn

import gdcm  # noqa: F401 (children have at once what each would load)
import openjpeg  # noqa: F401
from PIL import Image
from pydicom.pixels import decoders  # noqa: F401

from chalicelib.imaging import inspection
from chalicelib.imaging.inspection import Findings, Subject
from chalicelib.imaging.limits import MEMORY, SECONDS, SECONDS_OF_CPU, SECONDS_OF_FETCHING, NoPreviewError
from chalicelib.imaging.ranges import CHUNK

TOO_LONG = "Its pixels take more time than a preview may."
BROKEN = "Its pixels break the decoder."

_READ, _ATTRIBUTES, _PREVIEW, _REASON = b"R", b"A", b"P", b"N"
_PART = struct.Struct("<QQ")
_LONGEST_MESSAGE = 4 * 1024**2
_MOST_ATTRIBUTES = 64 * 1024
_LONGEST_REASON = 500
_SECONDS_TO_END = 5
"""A process that has closed its connection is about to end; how, its exit code tells."""

Image.init()

_processes = multiprocessing.get_context("fork")


@dataclass
class _Child:
    """The time that it takes is bounded. What the storage takes is no fault of the file, and is counted apart."""

    process: ForkProcess
    connection: Connection
    deadline: float
    seconds_of_fetching: float

    @property
    def is_late(self) -> bool:
        """Whether it used up its time, of the clock or of the processor."""
        if time.monotonic() >= self.deadline:
            return True
        self.process.join(_SECONDS_TO_END)
        return self.process.exitcode == -signal.SIGXCPU

    def said(self) -> bytes:
        with self._in_time():
            return self.connection.recv_bytes(_LONGEST_MESSAGE)

    def answer(self, part: bytes) -> None:
        with self._in_time(), suppress(ConnectionError):  # it has ended; the next look says so
            self.connection.send_bytes(part)

    def fetched(self, subject: Subject, offset: int, length: int) -> bytes:
        begun = time.monotonic()
        part = subject.fetch(offset, min(length, CHUNK))
        took = time.monotonic() - begun
        self.deadline += took
        self.seconds_of_fetching -= took
        if self.seconds_of_fetching < 0:
            raise TimeoutError("The storage takes too long to give what is needed of the file.")
        return part

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """It is killed while it leaves a word half said, or what it asked for unread."""
        timer = Timer(max(0.0, self.deadline - time.monotonic()), self.process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def inspect(
    subject: Subject,
    *,
    memory: int = MEMORY,
    seconds: float = SECONDS,
    of_cpu: int = SECONDS_OF_CPU,
    of_fetching: float = SECONDS_OF_FETCHING,
) -> Findings:
    """Raises what fetching raises, and TimeoutError where it takes too long in all."""
    ours, theirs = _processes.Pipe()
    child = _processes.Process(target=_run, args=(subject, ours, theirs, memory, of_cpu))
    child.start()
    theirs.close()
    try:
        return _heard(_Child(child, ours, time.monotonic() + seconds, of_fetching), subject)
    finally:
        child.kill()
        child.join()
        ours.close()


def _heard(child: _Child, subject: Subject) -> Findings:
    found = Findings(inspection.known_beforehand(subject.kind))
    while found.preview is None and found.no_preview is None:
        try:
            message = child.said()
        except (EOFError, OSError):
            found.no_preview = TOO_LONG if child.is_late else BROKEN
            break
        try:
            _take_in(message, child, subject, found)
        except (ValueError, struct.error):  # it is no longer itself
            found.no_preview = BROKEN
    return found


def _take_in(message: bytes, child: _Child, subject: Subject, found: Findings) -> None:
    kind, content = message[:1], message[1:]
    if kind == _READ:
        child.answer(child.fetched(subject, *_PART.unpack(content)))
    elif kind == _ATTRIBUTES:
        found.attributes = json.loads(content[:_MOST_ATTRIBUTES], parse_constant=_no_number)
    elif kind == _PREVIEW:
        found.preview = content
    else:
        found.no_preview = content[:_LONGEST_REASON].decode()


def _no_number(constant: str) -> NoReturn:
    """NaN and infinity, which Python's JSON has and the database's has not."""
    raise ValueError(constant)


def _run(subject: Subject, ours: Connection, theirs: Connection, memory: int, of_cpu: int) -> None:
    ours.close()
    _settle(memory, of_cpu)

    def fetch(offset: int, length: int) -> bytes:
        theirs.send_bytes(_READ + _PART.pack(offset, length))
        return theirs.recv_bytes()

    own = Subject(fetch, subject.size, subject.head, subject.kind, subject.policy)
    theirs.send_bytes(_ATTRIBUTES + json.dumps(inspection.attributes(own)).encode())
    try:
        theirs.send_bytes(_PREVIEW + inspection.make_preview(own))
    except NoPreviewError as reason:
        theirs.send_bytes(_REASON + str(reason).encode())


def _settle(memory: int, of_cpu: int) -> None:
    """No more memory and processor time than it may have, nothing to say, and nothing of its parent's to clean up."""
    gc.freeze()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU):
        signal.signal(one, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (of_cpu, of_cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    inspection.be_quiet()
