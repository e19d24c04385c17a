"""Single images: get, change, bin, and what the storage reports of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chalicelib.database.tables import Image, Status, created_timestamp, first_id_at
from chalicelib.errors import Unavailable

WITHIN_REACH = Image.deleted_at.is_(None)


class LinkedTag(NamedTuple):
    id: int
    name: str


class FoundImage(NamedTuple):
    """A row of images with its tags, as `query` reads it: to be shown, not changed, and without the cost of the ORM."""

    id: int
    status: str
    filename: str
    content_type: str
    size: int
    checksum_sha256: str | None
    created_by: str
    uploaded_at: datetime | None
    object_key: str
    rejection: str | None
    has_preview: bool
    metadata_: dict[str, Any]
    attributes: dict[str, Any]
    tags: list[LinkedTag]
    """Alphabetically."""

    @classmethod
    def of(cls, *row: Any) -> Self:
        *columns, tag_ids, names = row
        tags = sorted(map(LinkedTag, tag_ids or (), names or ()), key=attrgetter("name"))
        return cls._make([*columns, tags])

    @property
    def created_timestamp(self) -> int:
        return created_timestamp(self.id)


def query(ids: str) -> str:
    """SQL for the images of a query for `image_id`, newest first; those in the bin are not left out. LATERAL and
    OFFSET 0 because a search may have switched off whatever would otherwise find a few rows one by one."""
    return f"""
        SELECT i.*, t.* FROM ({ids}) f CROSS JOIN LATERAL (
            SELECT id, status, filename, content_type, size, checksum_sha256, created_by, uploaded_at, object_key,
                rejection, has_preview, metadata, attributes
            FROM images WHERE id = f.image_id OFFSET 0
        ) i CROSS JOIN LATERAL (
            SELECT array_agg(l.tag_id), array_agg(n.name)
            FROM image_tags l CROSS JOIN LATERAL (
                SELECT name FROM tags WHERE id = l.tag_id AND deleted_at IS NULL OFFSET 0
            ) n WHERE l.image_id = f.image_id
        ) t ORDER BY i.id DESC"""


def add(session: Session, image: Image) -> None:
    """Gives it its id. Raises Unavailable when that is taken, as it may be, once in a long while, after the database's
    clock was set back: the next moment has another."""
    session.add(image)
    try:
        session.flush()
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == "images_pkey":
            raise Unavailable("The image got no id of its own; try again.") from error
        raise


def get(session: Session, image_id: int) -> FoundImage | None:
    one = query(f"SELECT id AS image_id FROM images WHERE id = {image_id} AND deleted_at IS NULL")
    row = session.connection().exec_driver_sql(one).one_or_none()
    return None if row is None else FoundImage.of(*row)


def get_for_change(session: Session, image_id: int) -> Image | None:
    """No one else changes the image or its tags until the transaction ends. Its tags come with `refresh`."""
    return _locked(session, Image.id == image_id, WITHIN_REACH)


def get_restorable_for_change(session: Session, image_id: int, days: int, owner: str | None) -> Image | None:
    """Lock and return an image that is not in the bin, or has been there for no longer than these days; with an owner,
    from the bin only an image that they created."""
    restorable = Image.deleted_at > func.now() - timedelta(days=days)
    if owner is not None:
        restorable &= Image.created_by == owner
    return _locked(session, Image.id == image_id, or_(WITHIN_REACH, restorable))


def by_object_key_for_change(session: Session, object_key: str) -> Image | None:
    """In the bin or not: the storage knows nothing of our bin."""
    return _locked(session, Image.object_key == object_key)


def ids_of(session: Session, object_keys: Iterable[str]) -> Sequence[int]:
    """Returns the ids of the images with these object keys, in order."""
    return session.scalars(select(Image.id).where(Image.object_key.in_(object_keys)).order_by(Image.id)).all()


def refresh(session: Session, image: Image) -> None:
    """Its tags as they are now, and its metadata as PostgreSQL keeps it: 1e16 becomes 10000000000000000."""
    session.flush()
    session.refresh(image, ["tags", "metadata_"])


def pending_since_before(session: Session, timestamp: int, most: int) -> int:
    """Counts the images that were registered before and still wait for their file, among the newest `most` whose file
    is not there."""
    waiting = (Image.status.in_([Status.PENDING, Status.MISSING]), Image.id < first_id_at(timestamp))
    newest = select(Image.status, Image.deleted_at).where(*waiting).order_by(Image.id.desc()).limit(most).subquery()
    old = (newest.c.status == Status.PENDING, newest.c.deleted_at.is_(None))
    return session.scalars(select(func.count()).select_from(newest).where(*old)).one()


def now(session: Session) -> datetime:
    return session.scalars(select(func.now())).one()


def _locked(session: Session, *conditions: ColumnElement[bool]) -> Image | None:
    one = select(Image).where(*conditions).with_for_update(key_share=True)
    return session.scalars(one.execution_options(populate_existing=True)).one_or_none()
