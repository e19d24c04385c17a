"""Clocks that step back by half a minute, or leap ahead by a month, and after a while are right again."""

import subprocess
import sys

from local import ROOT, environment
from tests.faults import serve
from tests.faults.caller import pause
from tests.faults.injury import Injury

BACK_SECONDS = 30
MONTH_SECONDS = 30 * 24 * 3600 + 3600
"""Whatever is in the bin is there for too long by such a clock."""

NOTICED_SECONDS = 1.5
"""Processes look at the offset of their clock once a second."""

_PURGE = """
import app
from local.invocation import context
from local.schedules import scheduled_event
app.purge(scheduled_event("purge"), context(60))
"""


def the_services_clock_steps_back(injury: Injury) -> None:
    """That of workers, gateway, delivery and emulator; PostgreSQL's goes on."""
    _set(injury, -BACK_SECONDS, "service")
    pause(4)
    _set(injury, 0, "service")


def the_databases_clock_steps_back(injury: Injury) -> None:
    """New images get ids that lie before those of others."""
    _set(injury, -BACK_SECONDS, "database")
    pause(4)
    _set(injury, 0, "database")


def every_clock_steps_back(injury: Injury) -> None:
    _set(injury, -BACK_SECONDS, "service", "database")
    pause(4)
    _set(injury, 0, "service", "database")


def the_services_clock_leaps_a_month_ahead(injury: Injury) -> None:
    """Tokens and URLs have expired; those that are given out meanwhile are not yet good afterwards."""
    _leap_ahead(injury, "service")


def the_databases_clock_leaps_a_month_ahead(injury: Injury) -> None:
    """What is in the bin cannot be restored meanwhile."""
    _leap_ahead(injury, "database")


def every_clock_leaps_a_month_ahead(injury: Injury) -> None:
    _leap_ahead(injury, "service", "database")


def _leap_ahead(injury: Injury, *clocks: str) -> None:
    """The purge runs before, as it does all the time, and amid it."""
    _purge(injury)
    _set(injury, MONTH_SECONDS, *clocks)
    try:
        _purge(injury)
    finally:
        _set(injury, 0, *clocks)


def _set(injury: Injury, offset: int, *clocks: str) -> None:
    for clock in clocks:
        injury.site.set_clock(clock, offset)
    pause(NOTICED_SECONDS)


def _purge(injury: Injury) -> None:
    settings = environment.of_service(injury.site.description) | serve.clock(injury.site.directory, "service")
    subprocess.run([sys.executable, "-c", _PURGE], env=settings, cwd=ROOT, check=True)
