"""What a check says: a finding, or that it could not be made."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that a deployment would stumble over."""

    wrong: str
    found: str
    needed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.wrong} (found: {self.found}; needed: {self.needed}): {self.remedy}."


class NotChecked(Exception):
    """A check could not be made; the message says why, and which permission is missing."""


def listed(names: list[str], most: int = 5) -> str:
    """Returns the names, sorted, and how many there are beyond the first five."""
    shown = ", ".join(sorted(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
