"""Clocks that step back by half a minute, and after a while forward again."""

from tests.faults.caller import pause
from tests.faults.injury import Injury

BACK_SECONDS = 30
NOTICED_SECONDS = 1.5
"""Processes look at the offset of their clock once a second."""


def the_services_clock_steps_back(injury: Injury) -> None:
    """That of workers, gateway, delivery and emulator; PostgreSQL's goes on."""
    _step_back(injury, "service")


def the_databases_clock_steps_back(injury: Injury) -> None:
    """New images get ids that lie before those of others."""
    _step_back(injury, "database")


def every_clock_steps_back(injury: Injury) -> None:
    _step_back(injury, "service", "database")


def _step_back(injury: Injury, *clocks: str) -> None:
    for offset, seconds in ((-BACK_SECONDS, 4), (0, NOTICED_SECONDS)):
        for clock in clocks:
            injury.site.set_clock(clock, offset)
        pause(seconds)
