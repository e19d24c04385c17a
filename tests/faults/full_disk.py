"""Fills a file system, and keeps it full."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL_SECONDS = 3


@contextmanager
def full_disk(disk: Path) -> Iterator[None]:
    filler, freed = disk / "filler", threading.Event()
    filling = threading.Thread(target=lambda: _keep_full(filler, freed))
    filling.start()
    try:
        yield
    finally:
        freed.set()
        filling.join()
        filler.unlink()


def _keep_full(filler: Path, freed: threading.Event) -> None:
    """Who finds it full gives room back, too."""
    _fill(filler)
    while not freed.wait(0.05):
        _fill(filler)


def _fill(filler: Path) -> None:
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for block in (2**20, 2**12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, block)
    finally:
        os.close(descriptor)
