"""How a file comes to an image: registered and put by presigned URL, or in one shot; and what the storage reports."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from chalicelib.aws import storage
from chalicelib.aws.storage import SINGLE_PUT_BYTES, PresignedUpload, Stored
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.tables import Image, Status
from chalicelib.services import verification
from chalicelib.services.callers import Caller
from chalicelib.services.verification import Claim
from chalicelib.telemetry import touch


@dataclass(frozen=True)
class Draft:
    filename: str
    content_type: str
    size: int
    checksum_sha256: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StorageEvent:
    """That something happened to an object; what, the object itself tells."""

    object_key: str
    sequencer: str
    """Hex; of two events on one object the greater is the later, the shorter padded with zeros on the right."""


def register(session: Session, caller: Caller, draft: Draft) -> tuple[Image, PresignedUpload | None]:
    """The pending image and where to put its file: None for one that only a multipart upload can carry."""
    image = _add(session, caller, draft, object_key=_new_key())
    return image, presigned(image) if image.size <= SINGLE_PUT_BYTES else None


def store(session: Session, caller: Caller, draft: Draft, data: bytes) -> Image:
    """The file first, then the row: an image that is listed is there."""
    key = _new_key()
    stored = storage.put(key, data, draft.content_type)
    image = _add(session, caller, draft, object_key=key)
    _mark_present(session, image, stored)
    table.refresh(session, image)
    return image


def take_in(session: Session, event: StorageEvent) -> str | Claim:
    """What became of a storage event: the image's new status, or `unknown`, `stale` or `verifying` when it changed
    nothing. A claim: the file has to be read first."""
    image = table.by_object_key_for_change(session, event.object_key)
    if image is None:
        return "unknown"
    touch(images=[image.id])
    if image.sequencer is not None and not is_later(event.sequencer, image.sequencer):
        return "stale"
    outcome = settle(session, image, storage.head(event.object_key), sequencer=event.sequencer)
    if not isinstance(outcome, Claim) and outcome != verification.UNDER_WAY:
        image.sequencer = event.sequencer
    return outcome


def look_again(session: Session, object_key: str, *, to_read: bool = False) -> str | Claim | None:
    """What becomes of an image of which the storage may have reported something that did not reach us: its new status;
    `unverified`, or a claim for who is `to_read` it at once, when the file has to be read first; None when all is as we
    know it."""
    image = table.by_object_key_for_change(session, object_key)
    if image is None:
        return None
    stored = storage.head(object_key)
    if (stored is not None) == (image.uploaded_at is not None):
        return None
    if stored is not None and not to_read and verification.is_due(image, stored):
        return verification.DUE
    return settle(session, image, stored)


def heal(session: Session, object_key: str) -> str | Claim | None:
    """As `look_again`, for an image that waits for its file: most of them wait rightly, and need no lock."""
    return look_again(session, object_key) if storage.head(object_key) else None


def conclude(session: Session, claim: Claim, checksum_sha256: str | None) -> str | Claim:
    """After the file was read; None: it was no longer there, or another."""
    image = table.by_object_key_for_change(session, claim.object_key)
    if image is None:
        return "unknown"
    verification.release(image, claim)
    stored = storage.head(claim.object_key)
    if stored is not None and stored.etag == claim.etag:
        stored = replace(stored, checksum_sha256=checksum_sha256)
    outcome = settle(session, image, stored, sequencer=claim.sequencer)
    if not isinstance(outcome, Claim) and claim.sequencer and is_later(claim.sequencer, image.sequencer or ""):
        image.sequencer = claim.sequencer
    return outcome


def settle(session: Session, image: Image, stored: Stored | None, sequencer: str | None = None) -> str | Claim:
    """Makes the image what the storage says, whoever has asked it."""
    if stored is None:
        image.status, image.uploaded_at = Status.MISSING, None
    elif verification.is_due(image, stored):
        return verification.claim(session, image, stored, sequencer) or verification.UNDER_WAY
    elif reason := verification.fault(image, stored):
        _arrived(session, image, stored, Status.REJECTED, reason)
    else:
        _mark_present(session, image, stored)
    return image.status


def _add(session: Session, caller: Caller, draft: Draft, *, object_key: str) -> Image:
    image = Image(
        created_by=caller.id,
        filename=draft.filename,
        content_type=draft.content_type,
        size=draft.size,
        checksum_sha256=draft.checksum_sha256,
        metadata_=draft.metadata,
        object_key=object_key,
    )
    tag_ids = tags.ensure(session, draft.tags).values()
    table.add(session, image)
    tags.link(session, image.id, tag_ids)
    touch(images=[image.id], tags=tag_ids)
    return image


def _new_key() -> str:
    """Unguessable, and in the order of the days, so that a listing can start at a day."""
    return f"images/{datetime.now(UTC):%Y-%m-%d}/{uuid.uuid4()}"


def presigned(image: Image) -> PresignedUpload:
    return storage.presigned_upload(image.object_key, image.size, image.content_type, image.checksum_sha256)


def _mark_present(session: Session, image: Image, stored: Stored) -> None:
    if image.uploaded_at is None:
        _arrived(session, image, stored, Status.PRESENT)
    image.size, image.checksum_sha256 = stored.size, stored.checksum_sha256


def _arrived(session: Session, image: Image, stored: Stored, status: Status, rejection: str | None = None) -> None:
    """Note that the file is there. What was known of an earlier file is not known of this one."""
    # S3 dates an object from parts by the beginning of its upload, which may be days before the file was whole:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    # The event may come after reconciliation has looked at the file, and then changes nothing.
    at = (image.uploaded_at or table.now(session)) if stored.in_parts else stored.stored_at
    # S3 tells whole seconds, and the one shot is stored before it has a row.
    image.status, image.uploaded_at = status, max(at, image.created_at)
    image.rejection, image.has_preview, image.attributes = rejection, False, {}
    image.inspected_at, image.inspections_asked = None, 0
    if stored.in_parts:  # else an upload in parts, if one was begun, is still open, and the purge's to end
        image.multipart_upload_id = None


def is_later(sequencer: str, than: str) -> bool:
    width = max(len(sequencer), len(than))
    return sequencer.upper().ljust(width, "0") > than.upper().ljust(width, "0")
