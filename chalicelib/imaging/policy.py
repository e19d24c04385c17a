"""What may be kept of a file, beyond what always may."""

from dataclasses import dataclass
from typing import Literal

DateDetail = Literal["day", "month", "year", "none"]


@dataclass(frozen=True)
class Policy:
    study_date: DateDetail = "year"
    extra: tuple[str, ...] = ()
    """Keywords beside the allow-list."""
    identifier_key: bytes | None = None
    """Keys the hashes of identifiers; without one none are kept."""
