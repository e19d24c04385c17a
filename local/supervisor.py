"""`make serve`: starts the parts, keeps them running, stops them in order."""

import os
import select
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from infrastructure.resources import STAGE
from local import Trouble
from local.parts import Parts
from local.state import State

DEATHS, DEATHS_SECONDS = 5, 30
"""So many deaths of one part within so many seconds: it will not come right by itself."""

PATIENT = "database"
"""It is started again however often: a full disk keeps it from starting, and it comes right once there is room."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Someone asked us to end."""


def serve(directory: Path, port: int, workers: int) -> int:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # a profile or an endpoint of the caller's has no say here
    _check_clock()
    state = State(directory)
    state.prepare()
    lock = state.lock()
    parts = Parts(state, listener(port), workers, lock)
    _heed_signals()
    try:
        parts.start()
        print(
            f"Log: {state.service_log}\nA token: make token USER=editor (or viewer, admin, newcomer, machine,"
            " machine-read, machine-admin)"
        )
        print(f"Ready: http://127.0.0.1:{port}/{STAGE}", flush=True)
        Watch(parts.processes, parts.start_again).run()
    except Stopped:
        pass
    finally:
        signal.set_wakeup_fd(-1)
        _ignore_signals()
        parts.stop()
    print("Stopped.", flush=True)
    return 0


def _check_clock() -> None:
    """Raises Trouble when ids of images, which count from 2024, would be negative."""
    now = datetime.now(UTC)
    if now.year < 2024:
        raise Trouble(f"The clock of this machine says {now:%Y-%m-%d}. Set it: the service cannot run before 2024.")


def listener(port: int) -> socket.socket:
    """Taken before anything is started, and handed to the gateway."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen(128)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise Trouble(f"Port {port} cannot be used ({why}); choose another: make serve PORT=…") from None
    return taken


class Watch:
    """Starts again what ended. Raises Trouble when that helps no more."""

    def __init__(self, processes: dict[str, subprocess.Popen[bytes]], start_again: Callable[[str], None]) -> None:
        self._processes = processes
        self._start_again = start_again
        self._deaths: dict[str, deque[float]] = {}

    def run(self) -> None:
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        while True:
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    self._revive(name, process)
            if all(process.poll() is None for process in self._processes.values()):
                select.select([woken], [], [], 1)
                _drain(woken)

    def _revive(self, name: str, process: subprocess.Popen[bytes]) -> None:
        deaths = self._deaths.setdefault(name, deque(maxlen=DEATHS))
        deaths.append(time.monotonic())
        recent = sum(time.monotonic() - death < DEATHS_SECONDS for death in deaths)
        if recent == DEATHS and name != PATIENT:
            raise Trouble(f"The {name} ended {DEATHS} times in {DEATHS_SECONDS} seconds; giving up. Its log says why.")
        print(f"The {name} ended unexpectedly ({_manner(process.returncode)}); starting it again.", flush=True)
        time.sleep(0.2 * (recent - 1))
        try:
            self._start_again(name)
        except Trouble as trouble:
            print(trouble, flush=True)


def _manner(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _drain(woken: socket.socket) -> None:
    try:
        while woken.recv(4096):
            pass
    except BlockingIOError:
        pass


def _heed_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        _ignore_signals()  # once is enough: stopping takes a bounded time
        raise Stopped

    for one in _ENDING:
        signal.signal(one, stop)


def _ignore_signals() -> None:
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
