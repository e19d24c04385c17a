"""Invokes the service's scheduled functions when they are due, as EventBridge would.

Its own process, so that a long one keeps no storage event waiting; one invocation at a time.
"""

import os
import re
import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.emulator import ACCOUNT
from local.invocation import Ending, Handler, invoke, keep_lines_whole

_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


class Schedules:
    """Each function is due at the start, and then so many seconds after it was due before."""

    def __init__(self, functions: dict[str, tuple[float, Handler]], ending: Ending) -> None:
        self._functions = functions
        self._ending = ending
        self._due = dict.fromkeys(functions, time.monotonic())

    def step(self, wait: Callable[[float], None] = time.sleep) -> None:
        """The function that is due next, when it is."""
        name = min(self._due, key=lambda each: self._due[each])
        wait(max(0.0, self._due[name] - time.monotonic()))
        seconds, handler = self._functions[name]
        with self._ending.put_off():
            invoke(handler, scheduled_event(name), f"The schedule {name}")
        self._due[name] = max(self._due[name] + seconds, time.monotonic())


def seconds_of(expression: str) -> int:
    """Of a rate as EventBridge writes it: rate(5 minutes)."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if rate is None:
        raise ValueError(f"This stack knows rates only, not {expression}.")
    return int(rate[1]) * _SECONDS[rate[2]]


def scheduled_event(name: str) -> dict[str, Any]:
    region = os.environ["AWS_REGION"]
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT}:rule/{name}"],
        "detail": {},
    }


def functions_of(module: Any) -> dict[str, tuple[float, Handler]]:
    """By name, with their rates, as the app declares them."""
    declared = [source for source in module.app.event_sources if hasattr(source, "schedule_expression")]
    return {
        source.name: (seconds_of(source.schedule_expression.to_string()), getattr(module, source.name))
        for source in declared
    }


def main() -> None:
    keep_lines_whole()
    import app  # noqa: PLC0415  it may fail, and then the supervisor should see it

    ending = Ending()
    signal.signal(signal.SIGTERM, ending.ask)
    schedules = Schedules(functions_of(app), ending)
    while True:
        schedules.step()


if __name__ == "__main__":
    main()
