"""Whom the supervisor gives up, and whom it does not."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from local import Trouble
from local.supervisor import DEATHS, Stopped, Watch


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("local.supervisor.time.sleep", lambda _: None)
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class Ending:
    """A part that ends as soon as it is started; after so many starts, someone stops it all."""

    def __init__(self, name: str, patience: int) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.starts = 0
        self._patience = patience
        self.start(name)

    def start(self, name: str) -> None:
        self.starts += 1
        if self.starts > self._patience:
            raise Stopped
        self.processes[name] = subprocess.Popen(["false"])
        self.processes[name].wait()


def test_a_part_that_ends_again_and_again_is_given_up() -> None:
    gateway = Ending("gateway", patience=3 * DEATHS)

    with pytest.raises(Trouble, match="The gateway ended 5 times"):
        Watch(gateway.processes, gateway.start).run()

    assert gateway.starts == DEATHS


def test_the_database_is_started_again_however_often() -> None:
    database = Ending("database", patience=3 * DEATHS)

    with pytest.raises(Stopped):
        Watch(database.processes, database.start).run()

    assert database.starts > 3 * DEATHS
