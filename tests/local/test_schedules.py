"""Scheduled functions are invoked when they are due, against a clock of the test's own."""

from typing import Any

import pytest

import app
from local.invocation import Ending, Handler
from local.schedules import Schedules, functions_of, scheduled_event, seconds_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("local.schedules.time.monotonic", clock.monotonic)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    return clock


def test_each_function_is_due_at_once_and_then_at_its_rate(clock: Clock) -> None:
    ticks: list[tuple[str, float]] = []
    functions = {name: (seconds, _noting(ticks, clock)) for name, seconds in (("minutely", 60.0), ("later", 150.0))}
    due = Schedules(functions, Ending())

    for _ in range(6):
        due.step(clock.sleep)

    assert ticks == [
        ("minutely", 0),
        ("later", 0),
        ("minutely", 60),
        ("minutely", 120),
        ("later", 150),
        ("minutely", 180),
    ]


def _noting(ticks: list[tuple[str, float]], clock: Clock) -> Handler:
    return lambda event, _: ticks.append((event["resources"][0].rpartition("/")[2], clock.now))


def test_what_was_missed_while_a_function_ran_is_not_made_up_for(clock: Clock) -> None:
    ticks: list[float] = []

    def slow(_: Any, __: Any) -> None:
        ticks.append(clock.now)
        clock.sleep(200)

    due = Schedules({"slow": (60.0, slow)}, Ending())
    for _ in range(3):
        due.step(clock.sleep)

    assert ticks == [0, 200, 400]


def test_a_function_that_fails_is_invoked_again_in_its_time(clock: Clock) -> None:
    ticks: list[float] = []

    def fail(_: Any, context: Any) -> None:
        assert context.get_remaining_time_in_millis() > 0
        ticks.append(clock.now)
        raise RuntimeError("it cannot")

    due = Schedules({"failing": (60.0, fail)}, Ending())
    due.step(clock.sleep)
    due.step(clock.sleep)

    assert ticks == [0, 60]


def test_the_rates_are_those_that_the_app_declares() -> None:
    rates = {name: seconds for name, (seconds, _) in functions_of(app).items()}

    assert rates == {"reconcile": 300, "tidy": 60, "purge": 600}


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(2 hours)", 7200), ("rate(1 day)", 86_400)]
)
def test_a_rate_is_so_many_seconds(expression: str, seconds: int) -> None:
    assert seconds_of(expression) == seconds


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="cron"):
        seconds_of("cron(0 12 * * ? *)")


def test_when_told_to_end_while_idle_it_ends_at_once() -> None:
    with pytest.raises(SystemExit):
        Ending().ask(15, None)


def test_a_tick_is_eventbridges_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    event = scheduled_event("reconcile")

    assert event["source"] == "aws.events"
    assert event["region"] == "eu-central-1"
    assert event["resources"][0].endswith("rule/reconcile")
    assert set(event) >= {"version", "id", "account", "time", "resources", "detail"}
