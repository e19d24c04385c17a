"""How a file comes to an image: registered and put by presigned URL, or in one shot; and what the storage reports."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from chalicelib.aws import storage
from chalicelib.aws.storage import SINGLE_PUT_BYTES, PresignedUpload, Stored
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.tables import Image, Status
from chalicelib.errors import ImageAlreadyPresent, ImageNotFound, InvalidRequest, UploadIncomplete
from chalicelib.services.callers import Caller
from chalicelib.telemetry import touch

MULTIPART_ABOVE_BYTES = 100_000_000
PART_BYTES = 64 * 1024**2
MAX_PARTS = 1024
"""With S3's 5 GiB a part this reaches 5 TiB, and all the URLs fit one answer."""


@dataclass(frozen=True)
class Draft:
    filename: str
    content_type: str
    size: int
    checksum_sha256: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PresignedParts:
    urls: list[str]
    """Of parts 1, 2, …"""
    sizes: list[int]
    expires_timestamp: int


@dataclass(frozen=True)
class StorageEvent:
    """That something happened to an object; what, the object itself tells."""

    object_key: str
    sequencer: str
    """Hex; of two events on one object the greater is the later, the shorter padded with zeros on the right."""


def register(session: Session, caller: Caller, draft: Draft) -> tuple[Image, PresignedUpload | None]:
    """The pending image and where to put its file: None for one that only a multipart upload can carry."""
    image = _add(session, caller, draft, object_key=_new_key())
    return image, _presigned(image) if image.size <= SINGLE_PUT_BYTES else None


def store(session: Session, caller: Caller, draft: Draft, data: bytes) -> Image:
    """The file first, then the row: an image that is listed is there."""
    key = _new_key()
    stored = storage.put(key, data, draft.content_type)
    image = _add(session, caller, draft, object_key=key)
    _mark_present(image, stored)
    table.refresh(session, image)
    return image


def renew(session: Session, image_id: int, *, multipart: bool) -> PresignedUpload | PresignedParts:
    image = _for_change(session, image_id)
    if image.uploaded_at is not None:
        raise ImageAlreadyPresent(image_id)
    if not multipart and image.size <= MULTIPART_ABOVE_BYTES:
        return _presigned(image)
    key, upload_id = image.object_key, image.multipart_upload_id
    if upload_id is None or not storage.has_multipart(key, upload_id):
        image.multipart_upload_id = upload_id = storage.begin_multipart(key, image.content_type)
    sizes = part_sizes(image.size)
    urls, expires = storage.presigned_parts(key, upload_id, sizes)
    return PresignedParts(urls, sizes, expires)


def complete(session: Session, image_id: int, etags: dict[int, str]) -> Image:
    """Safe to repeat."""
    image = _for_change(session, image_id)
    if image.uploaded_at is None:
        _put_together(image, etags)
    table.refresh(session, image)
    return image


def _put_together(image: Image, etags: dict[int, str]) -> None:
    if image.multipart_upload_id is None:
        raise UploadIncomplete(f"No multipart upload of image {image.id} has been begun.")
    expected = len(part_sizes(image.size))
    if sorted(etags) != list(range(1, expected + 1)):
        raise InvalidRequest.of("parts", f"must name each of the {expected} parts once")
    refusal = storage.complete_multipart(image.object_key, image.multipart_upload_id, etags)
    stored = storage.head(image.object_key)
    if stored is None:
        raise UploadIncomplete(f"The storage did not make one file of the parts: {refusal}")
    _mark_present(image, stored)


def part_sizes(size: int) -> list[int]:
    part = max(PART_BYTES, -(-size // MAX_PARTS))
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest else [])


def take_in(session: Session, event: StorageEvent) -> str:
    """What became of a storage event: the image's new status, or `unknown` or `stale` when it changed nothing."""
    image = table.by_object_key_for_change(session, event.object_key)
    if image is None:
        return "unknown"
    touch(images=[image.id])
    if image.sequencer is not None and not is_later(event.sequencer, image.sequencer):
        return "stale"
    image.sequencer = event.sequencer
    stored = storage.head(event.object_key)
    if stored is None:
        image.status, image.uploaded_at = Status.MISSING, None
    else:
        _mark_present(image, stored)
    return image.status


def heal(session: Session, object_key: str) -> bool:
    """Marks an image present whose object is there after all: the event about it was lost, or is late."""
    stored = storage.head(object_key)
    image = table.by_object_key_for_change(session, object_key) if stored else None
    if stored is None or image is None or image.uploaded_at is not None:
        return False
    _mark_present(image, stored)
    return True


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


def _presigned(image: Image) -> PresignedUpload:
    return storage.presigned_upload(image.object_key, image.size, image.content_type, image.checksum_sha256)


def _for_change(session: Session, image_id: int) -> Image:
    image = table.get_for_change(session, image_id)
    if image is None:
        raise ImageNotFound(image_id)
    return image


def _mark_present(image: Image, stored: Stored) -> None:
    if image.uploaded_at is None:
        # S3 tells whole seconds, and the one shot is stored before it has a row.
        image.status, image.uploaded_at = Status.PRESENT, max(stored.stored_at, image.created_at)
        image.inspected_at, image.inspections_asked = None, 0
        image.rejection, image.has_preview = None, False
    image.size, image.checksum_sha256 = stored.size, stored.checksum_sha256
    image.multipart_upload_id = None


def is_later(sequencer: str, than: str) -> bool:
    width = max(len(sequencer), len(than))
    return sequencer.upper().ljust(width, "0") > than.upper().ljust(width, "0")
