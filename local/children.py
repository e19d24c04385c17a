"""Child processes that do not outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from local import Trouble

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | os.PathLike[str]], *, at_parents_death: signal.Signals = signal.SIGKILL, **options: Any
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches the parent only. Call it from the main thread: Linux sends the
    death signal when the *thread* that spawned the child ends. Other systems have no such signal."""
    tie = _tie(os.getpid(), at_parents_death) if _libc else None
    return subprocess.Popen(command, start_new_session=True, preexec_fn=tie, **options)  # noqa: PLW1509


def _tie(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def in_child() -> None:
        assert _libc is not None  # noqa: S101
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def stop(process: subprocess.Popen[bytes], with_signal: signal.Signals, seconds: float) -> None:
    """Politely; after `seconds` by force."""
    if process.poll() is not None:
        return
    process.send_signal(with_signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Raises Trouble with `otherwise` when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(otherwise)
        time.sleep(0.01)
