"""Whether the file that came is the one that was declared. The storage keeps no SHA-256 of what came in parts: if one
was declared, the file has to be read, outside of any transaction, by one at a time."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from chalicelib.aws import contents
from chalicelib.aws.storage import Stored
from chalicelib.database import images as table
from chalicelib.database.tables import Image

UNDER_WAY = "verifying"
DUE = "unverified"
BYTES_A_SECOND = 60_000_000
"""So fast, at least, a function reads from S3; 50 GB (`limits.MAX_VERIFIED_BYTES`) then take it 14 minutes."""

START_SECONDS = 5

SPARE_SECONDS = 60
"""Between a reading that takes its time and the end of its claim."""


@dataclass(frozen=True)
class Claim:
    """To read the object of an image; nobody else does meanwhile."""

    object_key: str
    etag: str
    size: int
    sequencer: str | None
    """Of the event that asks for it."""
    until: datetime
    """By the database's clock; tells it from a claim that followed it."""

    @property
    def seconds(self) -> float:
        return seconds_to_read(self.size)


def seconds_to_read(size: int) -> float:
    """Reading may take no longer."""
    return size / BYTES_A_SECOND + START_SECONDS


def is_due(image: Image, stored: Stored) -> bool:
    unknown = stored.in_parts and stored.checksum_sha256 is None
    return unknown and image.checksum_sha256 is not None and stored.size == image.size


def claim(session: Session, image: Image, stored: Stored, sequencer: str | None) -> Claim | None:
    """None while someone else has it. It ends by itself, should who has it die."""
    now = table.now(session)
    if image.verifying_until is not None and image.verifying_until > now:
        return None
    image.verifying_until = now + timedelta(seconds=seconds_to_read(stored.size) + SPARE_SECONDS)
    return Claim(image.object_key, stored.etag, stored.size, sequencer, image.verifying_until)


def read(claimed: Claim, end: float) -> str | None:
    """The SHA-256 of the object; None when it is no longer the one that was claimed. Raises TimeoutError when it takes
    longer than it may, or past `end`, which is on the clock of time.monotonic()."""
    until = min(time.monotonic() + claimed.seconds, end)
    return contents.checksum_sha256(claimed.object_key, claimed.etag, claimed.size, until)


def give_up(session: Session, claimed: Claim) -> None:
    image = table.by_object_key_for_change(session, claimed.object_key)
    if image is not None:
        release(image, claimed)


def release(image: Image, claimed: Claim) -> None:
    """But for a claim of someone else, who came when this one had lapsed."""
    if image.verifying_until == claimed.until:
        image.verifying_until = None


def fault(image: Image, stored: Stored) -> str | None:
    """Why the file cannot be the one that was declared. The storage has compared what came by one PUT itself."""
    if not stored.in_parts:
        return None
    if stored.size != image.size:
        return f"The file that was uploaded has {stored.size} bytes; {image.size} were declared."
    if image.checksum_sha256 not in (None, stored.checksum_sha256):
        return (
            f"The file that was uploaded has the SHA-256 {stored.checksum_sha256}, and not the declared"
            f" {image.checksum_sha256}: it was damaged on its way, or is another file."
        )
    return None
