"""Changes to files, broken off at every step."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import disk_changes
from local.disk_changes import Changes
from local.state import write_privately

STEPS = [(os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink")]
"""What reaches the disk."""

Step = Callable[[], None]


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """Where new contents wait."""
    disk_changes.recover(tmp_path / "waiting")
    return tmp_path / "waiting"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def make_new(changes: Changes, files: Path) -> None:
    changes.make_directories(files / "a" / "b")
    changes.write(files / "a" / "b" / "new", b"data")
    changes.write(files / "a" / "b" / "new.meta.json", b"described")


def change_old(changes: Changes, files: Path) -> None:
    for name in ("old", "old.meta.json"):
        changes.write(files / name, b"changed")
    changes.write(files / "version", b"before")
    changes.remove(files / "gone")


BEFORE = {"old": "before", "old.meta.json": "before", "gone": "before"}
NEW = {"a/b/new": "data", "a/b/new.meta.json": "described"}
CHANGED = {"old": "changed", "old.meta.json": "changed", "version": "before"}
SIDECAR_ALONE = {"a/b/new.meta.json": "described"}
"""Which the emulator takes no notice of."""


def lay_out(files: Path) -> None:
    for name, content in BEFORE.items():
        (files / name).write_text(content)


def contents(files: Path) -> dict[str, str]:
    return {str(file.relative_to(files)): file.read_text() for file in files.rglob("*") if file.is_file()}


def at_step(number: int, act: Step, patched: pytest.MonkeyPatch) -> list[str]:
    """Calls `act` instead of the step of this number; the steps come to the list that is given back."""
    steps: list[str] = []

    def counting(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            steps.append(name)
            if len(steps) == number:
                act()
            return real(*arguments, **named)

        return step

    for place, name in STEPS:
        patched.setattr(place, name, counting(getattr(place, name), name))
    return steps


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("change", [make_new, change_old])
def test_a_process_killed_at_any_step_leaves_all_or_nothing(
    waiting: Path, files: Path, change: Callable[[Changes, Path], None]
) -> None:
    seen, ended = [], False
    for step in range(1, 100):
        lay_out(files)
        ended = killed_at(step, waiting, files, change)
        disk_changes.recover(waiting)
        seen.append(contents(files))
        assert [*waiting.iterdir()] == []
        clear(files)
        if ended:
            break

    assert all(each in (BEFORE, BEFORE | SIDECAR_ALONE, done(change)) for each in seen), seen
    assert (seen[0], seen[-1], ended) == (BEFORE, done(change), True)
    assert seen == sorted(seen, key=lambda each: each == done(change)), "what was done once is done from then on"


def killed_at(step: int, waiting: Path, files: Path, change: Callable[[Changes, Path], None]) -> bool:
    """Whether the process came to its end before that step."""

    def act() -> None:
        changes = Changes(waiting)
        change(changes, files)
        changes.commit()

    return ends_before(step, act)


def recovery_killed_at(step: int, waiting: Path) -> bool:
    """Returns whether the recovery came to its end before that step."""
    return ends_before(step, lambda: disk_changes.recover(waiting))


def ends_before(step: int, act: Step) -> bool:
    """Calls `act` in a process that is killed at the step. Fails when `act` raises."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patched:
                at_step(step, lambda: os._exit(9), patched)
                act()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 0


def test_a_recovery_killed_at_any_step_is_finished_by_the_next(waiting: Path, files: Path) -> None:
    killed = 0
    for step in range(1, 100):
        lay_out(files)
        ended = killed_at(step, waiting, files, change_old)
        for step_of_recovery in range(1, 100):
            if recovery_killed_at(step_of_recovery, waiting):
                break
            killed += 1
        assert contents(files) in (BEFORE, CHANGED), step
        assert [*waiting.iterdir()] == []
        clear(files)
        if ended:
            break

    assert killed >= 20


@pytest.mark.parametrize("change", [make_new, change_old])
def test_a_step_that_fails_leaves_everything_as_it_was(
    waiting: Path, files: Path, change: Callable[[Changes, Path], None]
) -> None:
    failures = 0
    for step in range(1, 100):
        lay_out(files)
        failed, reached = fails_at(step, waiting, files, change)
        if failed:
            failures += 1
            assert contents(files) == BEFORE, step
        else:
            assert contents(files) == done(change)
            clear(files)
        if not reached:
            break

    assert failures >= 5
    assert [*waiting.iterdir()] == []


def test_a_target_that_is_written_twice_has_the_last_content(waiting: Path, files: Path) -> None:
    changes = Changes(waiting)
    for name, content in (("a", b"first"), ("a", b"second"), ("b", b"other")):
        changes.write(files / name, content)
    changes.commit()

    assert contents(files) == {"a": "second", "b": "other"}
    assert [*waiting.iterdir()] == []


def test_the_last_of_a_write_and_a_removal_holds(waiting: Path, files: Path) -> None:
    lay_out(files)
    changes = Changes(waiting)
    changes.remove(files / "old")
    changes.write(files / "old", b"after")
    changes.write(files / "gone", b"after")
    changes.remove(files / "gone")
    changes.commit()

    assert contents(files) == {"old": "after", "old.meta.json": "before"}
    assert [*waiting.iterdir()] == []


def fails_at(step: int, waiting: Path, files: Path, change: Callable[[Changes, Path], None]) -> tuple[bool, bool]:
    """Whether the commit said so, and whether there was such a step."""
    with pytest.MonkeyPatch.context() as patched:
        steps = at_step(step, no_space, patched)
        changes = Changes(waiting)
        try:
            change(changes, files)
            changes.commit()
        except OSError:
            changes.discard()
            return True, True
        return False, len(steps) >= step


def test_a_private_file_is_durable_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, list[str]]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_directory, sorted(file.name for file in tmp_path.iterdir())))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_privately(tmp_path / "secrets.json", "{}")

    assert synced == [(False, ["secrets.json.new"]), (True, ["secrets.json"])]


def done(change: Callable[[Changes, Path], None]) -> dict[str, str]:
    return BEFORE | NEW if change is make_new else CHANGED


def clear(files: Path) -> None:
    for file in files.rglob("*"):
        if file.is_file():
            file.unlink()
