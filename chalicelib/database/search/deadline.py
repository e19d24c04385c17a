"""The time that all statements of a search have together."""

import time
from dataclasses import dataclass
from typing import Self

from chalicelib.config import settings


@dataclass(frozen=True)
class Deadline:
    at: float
    """On the clock of time.monotonic()."""

    @classmethod
    def within(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    @classmethod
    def of_a_search(cls) -> Self:
        return cls.within(settings().search_timeout_seconds)

    def limit(self) -> str:
        """Return the SQL that gives the statement sent with it what is left: in one message it costs no round trip, and
        SET LOCAL holds in the transaction of that message."""
        left = max(1, round((self.at - time.monotonic()) * 1000))
        return f"SET LOCAL statement_timeout = {left}; "
