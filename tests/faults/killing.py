"""Processes that are killed, or stand still. The supervisor of the stack starts them again."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.conftest import eventually
from tests.faults.accesses import in_the_table
from tests.faults.caller import pause
from tests.faults.injury import Injury


def kill_a_worker(injury: Injury) -> None:
    """And another, and so on: one that is killed between two requests costs nobody anything."""
    for _ in range(5):
        _kill(*_one_of(injury.site.pids("local.worker")))
        pause(random.uniform(0.1, 0.4))


def kill_every_worker(injury: Injury) -> None:
    _kill(*injury.site.pids("local.worker"))


def kill_the_gateway(injury: Injury) -> None:
    _kill(*injury.site.pids("local.gateway"))


def kill_the_postmaster(injury: Injury) -> None:
    _kill(*injury.site.pids("bin/postgres"))


def kill_a_backend(injury: Injury) -> None:
    """PostgreSQL then ends all others, and recovers as after a crash."""
    _kill(*_one_of(injury.site.pids("postgres: tim")))


def kill_the_emulator(injury: Injury) -> None:
    """It forgets the access log's table, and the events that wait in the queue."""
    with _forgetting(injury):
        _kill(*injury.site.pids("local.run_ministack"))


def kill_the_delivery(injury: Injury) -> None:
    _kill(*injury.site.pids("local.delivery"))


def kill_the_schedules(injury: Injury) -> None:
    _kill(*injury.site.pids("local.schedules"))


def kill_everything(injury: Injury) -> None:
    """The one after which a person has to start the stack again."""
    site = injury.site
    with _forgetting(injury):
        everything = [*site.processes()]
        random.shuffle(everything)
        _kill(*everything)
    site.reap()
    eventually(lambda: not site.processes(), of="the end of every process")
    site.start()


def stop_a_worker(injury: Injury) -> None:
    _stop(_one_of(injury.site.pids("local.worker")), 3)


def stop_the_database(injury: Injury) -> None:
    _stop(injury.site.pids("postgres"), 5)


def stop_the_emulator(injury: Injury) -> None:
    """Neither S3, SQS nor DynamoDB answers."""
    _stop(injury.site.pids("local.run_ministack"), 5)


@contextmanager
def _forgetting(injury: Injury) -> Iterator[None]:
    """Notes what the table has, before the emulator is killed."""
    begun = time.monotonic()
    injury.timeline.recorded |= in_the_table(injury.site)
    yield
    injury.timeline.forgotten.append((begun, time.monotonic()))


def _one_of(pids: list[int]) -> list[int]:
    """None, if just now there is none."""
    return random.sample(pids, min(1, len(pids)))


def _kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _stop(pids: list[int], seconds: float) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    pause(seconds)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
