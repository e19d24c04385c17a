"""Reads files whose SHA-256 only reading tells, between two transactions."""

from typing import TYPE_CHECKING

from chalicelib.database.engine import transaction
from chalicelib.services import uploads, verification

if TYPE_CHECKING:
    from chalicelib.services.verification import Claim


def concluded(outcome: "str | Claim") -> str:
    """The outcome itself, or that to which its claim leads. While a file is read it may be replaced by another one,
    which then is to be read."""
    while not isinstance(outcome, str):
        outcome = _read(outcome)
    return outcome


def _read(claim: "Claim") -> "str | Claim":
    try:
        checksum = verification.read(claim)
    except Exception:
        give_up(claim)
        raise
    with transaction() as session:
        return uploads.conclude(session, claim, checksum)


def give_up(claim: "Claim") -> None:
    """Whoever comes next may read the file."""
    with transaction() as session:
        verification.give_up(session, claim)
