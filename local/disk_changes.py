"""Changes to several files that are all durable once `commit` returns, or not made at all, even after `kill -9`."""

import json
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

_RECORD = "record.json"

Kept = list[tuple[str, str | None]]
"""Each file that changes, and the link to what it was; None: there was no such file."""


class Changes:
    """One set of changes at a time in a directory, which is on the file system of the files that change."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written: dict[Path, Path] = {}
        self._removed: set[Path] = set()
        self._drafts = count()
        self._to_sync: set[Path] = set()

    def make_directories(self, path: Path) -> None:
        """At once: an empty directory that stays after a failure does no harm."""
        new = path
        while not new.exists():
            new = new.parent
            self._to_sync.add(new)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, target: Path, content: bytes) -> None:
        draft = self._directory / f"{next(self._drafts)}.new"
        _write(draft, content)
        self._written[target] = draft
        self._removed.discard(target)

    def remove(self, target: Path) -> None:
        self._written.pop(target, None)
        self._removed.add(target)

    def commit(self) -> None:
        """Makes the changes. Raises OSError when one of them cannot be made durable; then every file is as it was."""
        if not self._written and not self._removed:
            return
        kept: Kept = []
        try:
            kept = self._keep()
            self._make()
            self._forget()
        except BaseException:
            self._undo_or_die(kept)
            raise
        finally:
            self.discard()

    def discard(self) -> None:
        """Removes the drafts. Keeps them while there is a record, by which the next start undoes the changes."""
        if not (self._directory / _RECORD).exists():
            _sweep(self._directory)

    def _undo_or_die(self, kept: Kept) -> None:
        """Going on would lose the record by which the next start undoes it."""
        try:
            _undo(self._directory, kept)
        except OSError as error:
            print(f"Changes of files cannot be undone: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    def _keep(self) -> Kept:
        """Nothing has to be on record when all files are new: of these, only the last to appear means anything."""
        touched = [*self._written, *self._removed]
        kept: Kept = [(str(path), f"{number}.kept" if path.exists() else None) for number, path in enumerate(touched)]
        for path, link in kept:
            if link is not None:
                os.link(path, self._directory / link)
        if any(link is not None for _, link in kept):
            _write(self._directory / "record.new", json.dumps(kept).encode())
            (self._directory / "record.new").replace(self._directory / _RECORD)
            sync_directory(self._directory)
        return kept

    def _make(self) -> None:
        """A file after its sidecar, without which it would pass for another object."""
        for target in sorted(self._written, key=lambda each: each.suffix != ".json"):
            self._written[target].replace(target)
        for target in self._removed:
            target.unlink(missing_ok=True)
        for directory in self._to_sync.union(each.parent for each in (*self._written, *self._removed)):
            sync_directory(directory)

    def _forget(self) -> None:
        record = self._directory / _RECORD
        if record.exists():
            record.unlink()
            sync_directory(self._directory)


def recover(directory: Path) -> None:
    """Undoes what a killed process had begun. Call it before anybody reads the files."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = directory / _RECORD
    if record.exists():
        _undo(directory, json.loads(record.read_text()))
    _sweep(directory)


def _undo(directory: Path, kept: Kept) -> None:
    """Puts back every file. A link that is missing was put back by an undo that was killed."""
    for path, link in kept:
        if link is None:
            Path(path).unlink(missing_ok=True)
        else:
            with suppress(FileNotFoundError):
                (directory / link).replace(path)
    for parent in {Path(path).parent for path, _ in kept}:
        sync_directory(parent)
    (directory / _RECORD).unlink(missing_ok=True)
    sync_directory(directory)


def _sweep(directory: Path) -> None:
    """What cannot be removed now is removed after the next changes."""
    for file in directory.iterdir():
        with suppress(OSError):
            file.unlink()


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Makes durable which files are in it, and under which names."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
