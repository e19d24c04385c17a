"""What a fault is done to."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.stack import Site
from tests.faults.timeline import Timeline


@dataclass(frozen=True)
class Injury:
    site: Site
    timeline: Timeline


Fault = Callable[[Injury], None]
"""Returns when the fault is over; from then on the service has to recover by itself."""


def name_of(fault: Fault) -> str:
    return fault.__name__.replace("_", " ")
