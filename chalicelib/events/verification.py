"""Reads files whose SHA-256 only reading tells, between two transactions."""

import math
from typing import TYPE_CHECKING

from chalicelib.database.engine import transaction
from chalicelib.services import uploads, verification
from chalicelib.telemetry import count

if TYPE_CHECKING:
    from chalicelib.services.verification import Claim


def concluded(outcome: "str | Claim", end: float = math.inf) -> str:
    """The outcome itself, or that to which its claim leads. While a file is read it may be replaced by another one,
    which then is to be read. No reading goes on past `end`, on the clock of time.monotonic()."""
    while not isinstance(outcome, str):
        outcome = _read(outcome, end)
    return outcome


def _read(claim: "Claim", end: float) -> "str | Claim":
    try:
        checksum = verification.read(claim, end)
    except Exception:
        give_up(claim)
        raise
    with transaction() as session:
        return uploads.conclude(session, claim, checksum)


def give_up(claim: "Claim") -> None:
    """Whoever comes next may read the file. The metric tells of one that nobody can."""
    count("FilesUnverified")
    with transaction() as session:
        verification.give_up(session, claim)
