"""The later steps of an upload: fresh URLs, for the whole file or for its parts, and putting the parts together."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from chalicelib.aws import parts, storage
from chalicelib.aws.storage import PresignedUpload
from chalicelib.database import images as table
from chalicelib.database.tables import Image
from chalicelib.errors import ImageAlreadyPresent, ImageNotFound, InvalidRequest, UploadIncomplete
from chalicelib.services import uploads, verification
from chalicelib.services.callers import Caller
from chalicelib.services.limits import MAX_PARTS

ABOVE_BYTES = 100_000_000
PART_BYTES = 64 * 1024**2
PARTS_A_PAGE = 1000
"""As many as S3 tells of at once; their URLs, of up to 2 KB, fit into one answer."""


@dataclass(frozen=True)
class PresignedPart:
    number: int
    size: int
    url: str
    etag: str | None
    """Of what the storage has of it already."""


@dataclass(frozen=True)
class PresignedParts:
    parts: list[PresignedPart]
    next_part: int | None
    expires_timestamp: int


def renew(
    session: Session, caller: Caller, image_id: int, *, multipart: bool, first_part: int = 1
) -> PresignedUpload | PresignedParts:
    image = _for_change(session, caller, image_id)
    if image.uploaded_at is not None:
        raise ImageAlreadyPresent(image_id)
    image.renewed_at = table.now(session)
    in_parts = multipart or image.size > ABOVE_BYTES
    sizes = part_sizes(image.size) if in_parts else [image.size]
    if first_part > len(sizes):
        raise InvalidRequest.of("first_part", f"must not be greater than the number of parts, {len(sizes)}")
    return _page(image, sizes, first_part) if in_parts else uploads.presigned(image)


def complete(session: Session, caller: Caller, image_id: int, etags: dict[int, str]) -> Image:
    """Make one file of the parts, unless the image has a file already. Safe to repeat."""
    image = _for_change(session, caller, image_id)
    if image.uploaded_at is None:
        _put_together(session, image, etags)
    table.refresh(session, image)
    return image


def part_sizes(size: int) -> list[int]:
    part = max(PART_BYTES, -(-size // MAX_PARTS))
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest else [])


def _page(image: Image, sizes: list[int], first: int) -> PresignedParts:
    last = min(first + PARTS_A_PAGE - 1, len(sizes))
    upload_id, there = _begun(image, first)
    wanted = {number: sizes[number - 1] for number in range(first, last + 1)}
    urls, expires = parts.presigned_parts(image.object_key, upload_id, wanted)
    page = [
        PresignedPart(
            number, size, urls[number], there[number].etag if number in there and there[number].size == size else None
        )
        for number, size in wanted.items()
    ]
    return PresignedParts(page, last + 1 if last < len(sizes) else None, expires)


def _begun(image: Image, first: int) -> tuple[str, dict[int, parts.UploadedPart]]:
    """The image's multipart upload, a new one if there is none, and what it has from a part on."""
    key, upload_id = image.object_key, image.multipart_upload_id
    there = parts.uploaded(key, upload_id, first - 1, PARTS_A_PAGE) if upload_id else None
    if upload_id and there is not None:
        return upload_id, there
    if storage.head(key) is not None:  # put together, and the event is on its way
        raise ImageAlreadyPresent(image.id)
    image.multipart_upload_id = upload_id = parts.begin(key, image.content_type)
    return upload_id, {}


def _put_together(session: Session, image: Image, etags: dict[int, str]) -> None:
    if image.multipart_upload_id is None:
        raise UploadIncomplete(f"No multipart upload of image {image.id} has been begun.")
    expected = len(part_sizes(image.size))
    if sorted(etags) != list(range(1, expected + 1)):
        raise InvalidRequest.of("parts", f"must name each of the {expected} parts once")
    refusal = parts.complete(image.object_key, image.multipart_upload_id, etags, image.size)
    stored = storage.head(image.object_key)
    if stored is None:
        raise UploadIncomplete(f"The storage did not make one file of the parts: {refusal}")
    if not verification.is_due(image, stored):  # else whoever takes in the storage's event has the time to read it
        uploads.settle(session, image, stored)


def _for_change(session: Session, caller: Caller, image_id: int) -> Image:
    image = table.get_for_change(session, image_id)
    if image is None:
        raise ImageNotFound(image_id)
    caller.check_owns(image.created_by)
    return image
