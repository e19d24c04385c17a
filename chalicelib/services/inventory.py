"""The bucket held against the images, a slice of the keys at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from chalicelib.aws import bucket
from chalicelib.aws.bucket import Listed
from chalicelib.database import scans

OBJECTS_A_SLICE = 1000
ROWS_A_SLICE = 5000
ONE_SHOT = timedelta(minutes=1)
"""Longer than any request takes."""


@dataclass(frozen=True)
class Slice:
    arrived: list[str]
    """Objects for which images wait."""
    vanished: list[str]
    """Objects that images say are there, and that were not listed."""
    orphans: list[Listed]
    """Objects that no image has, and that are none of a one shot on its way: there the row comes after the object."""
    end: str | None
    """Behind which the next slice begins; None: it was the last."""

    def differing(self, most_vanished: int) -> list[str]:
        """What arrived and what vanished, in the order of the keys, up to where too much would have vanished."""
        keys = sorted(self.arrived + self.vanished)
        beyond = self.vanished[most_vanished:]
        return keys[: keys.index(beyond[0])] if beyond else keys


def compared(session: Session, after: str) -> Slice:
    """The images are read after the objects: what arrived between is among the images, whom a second look clears."""
    objects, more = bucket.listed(after, OBJECTS_A_SLICE)
    end = objects[-1].key if more else None
    images = scans.known_objects(session, after or bucket.PREFIX, end, ROWS_A_SLICE)
    if len(images) == ROWS_A_SLICE:  # where many wait for their objects; the rest is for the next slice
        end = images[-1].key
        objects = [each for each in objects if each.key <= end]
    settled = datetime.now(UTC) - ONE_SHOT
    there, known = {each.key for each in objects}, {each.key for each in images}
    return Slice(
        [each.key for each in images if not each.is_there and each.key in there],
        [each.key for each in images if each.is_there and each.key not in there],
        [each for each in objects if each.key not in known and each.modified_at < settled],
        end,
    )
