"""What may happen to an image once it is registered."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from chalicelib.aws import storage
from chalicelib.aws.storage import PresignedDownload
from chalicelib.config import settings
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.images import FoundImage
from chalicelib.database.tables import Image, Status
from chalicelib.errors import ImageNotFound, TooManyTags
from chalicelib.services import versions
from chalicelib.services.callers import Caller, Permission
from chalicelib.services.limits import MAX_TAGS
from chalicelib.telemetry import touch

AnyImage = TypeVar("AnyImage", Image, FoundImage)


@dataclass(frozen=True)
class Change:
    """None leaves as it is."""

    filename: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None


def get(session: Session, image_id: int) -> FoundImage:
    return _found(image_id, table.get(session, image_id))


def replace(session: Session, image_id: int, change: Change, if_match: str | None) -> Image:
    image = _found(image_id, table.get_for_change(session, image_id))
    _check(session, image, if_match)
    if change.filename is not None:
        image.filename = change.filename
    if change.metadata is not None:
        image.metadata_ = change.metadata
    if change.tags is not None:
        _replace_tags(session, image, change.tags)
    table.refresh(session, image)
    return image


def add_tag(session: Session, image_id: int, name: str) -> None:
    image = _found(image_id, table.get_for_change(session, image_id))
    tag_ids = tags.ensure(session, [name]).values()
    touch(tags=tag_ids)
    if len(tags.linked(session, image.id).union(tag_ids)) > MAX_TAGS:
        raise TooManyTags(image_id, MAX_TAGS)
    tags.link(session, image.id, tag_ids)


def take_off_tag(session: Session, image_id: int, name: str) -> None:
    image = _found(image_id, table.get_for_change(session, image_id))
    tag_ids = tags.hold(session, [name]).values()
    touch(tags=tag_ids)
    tags.unlink(session, image.id, tag_ids)


def delete(session: Session, caller: Caller, image_id: int, if_match: str | None = None) -> None:
    image = _found(image_id, table.get_for_change(session, image_id))
    caller.check_owns(image.created_by)
    _check(session, image, if_match)
    image.deleted_at = table.now(session)
    tags.bin_links(session, image.id)


def restore(session: Session, caller: Caller, image_id: int) -> Image:
    """Return the image as it was before it went to the bin; one that is not in the bin stays as it is. A caller who may
    not restore an image does not learn that it is in the bin: the query leaves it out."""
    owner = None if caller.may(Permission.ADMIN) else caller.id
    image = _found(image_id, table.get_restorable_for_change(session, image_id, settings().bin_days, owner))
    caller.check_owns(image.created_by)
    tags.restore_links(session, image.id)
    image.deleted_at, image.renewed_at = None, table.now(session)
    table.refresh(session, image)
    return image


def download(image: Image | FoundImage, caller: Caller) -> PresignedDownload | None:
    """None as long as, or once, the file is not there. What was refused only its owner and admins get."""
    refused = image.status == Status.REJECTED
    if image.status == Status.PRESENT or (refused and caller.owns(image.created_by)):
        return storage.presigned_download(image.object_key, image.filename, image.content_type)
    return None


def preview(image: Image | FoundImage) -> str | None:
    if not image.has_preview or image.status != Status.PRESENT:
        return None
    return storage.presigned_preview(image.object_key)


def etag(image: Image | FoundImage) -> str:
    """Return what changes whenever the record does, except for its presigned URLs, which differ in every answer."""
    guarded = [
        image.uploaded_at and image.uploaded_at.timestamp(),
        image.filename,
        [(tag.id, tag.name) for tag in image.tags],
        image.metadata_,
    ]
    learnt = [
        image.status,
        image.size,
        image.checksum_sha256,
        image.attributes,
        image.rejection,
        image.has_preview,
    ]
    return versions.etag(guarded, learnt)


def _check(session: Session, image: Image, if_match: str | None) -> None:
    if if_match is not None:
        table.refresh(session, image)
        versions.check(if_match, etag(image))


def _replace_tags(session: Session, image: Image, names: Iterable[str]) -> None:
    linked = tags.hold_linked(session, image.id)
    wanted = set(tags.ensure(session, names).values())
    touch(tags=sorted(wanted ^ linked))
    # Linked before unlinked: an image that keeps a tag throughout is at no time listed as untagged.
    tags.link(session, image.id, wanted - linked)
    tags.unlink(session, image.id, linked - wanted)


def _found(image_id: int, image: AnyImage | None) -> AnyImage:
    if image is None:
        raise ImageNotFound(image_id)
    return image
