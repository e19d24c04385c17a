"""Images that are to go: which, and going."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.orm import Session

from chalicelib.database.images import WITHIN_REACH
from chalicelib.database.tables import Image, Status, first_id_at

AMID_PARTS = Image.multipart_upload_id.is_not(None)
"""Or it was, when the file came another way."""


def expired(session: Session, days: int, most: int) -> Sequence[int]:
    """In the bin for longer than these days; the longest first."""
    return _ids(session, select(Image.id).where(_expired(days)).order_by(Image.deleted_at), most)


def expired_count(session: Session, days: int, most: int) -> int:
    """How many images `expired` would find, counted up to `most`."""
    found = select(Image.id).where(_expired(days)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def vain_uploads(session: Session, days: int, most: int) -> Sequence[int]:
    """Images with a multipart upload that leads to nothing: in the bin, with their file, or missing it and no longer
    asked about."""
    return _ids(session, select(Image.id).where(_in_vain(days)).order_by(Image.id), most)


def abandoned(session: Session, days: int, most: int) -> Sequence[int]:
    """Waiting for a file for which nobody has asked for a URL in these days; the oldest first."""
    now: float = session.execute(select(func.extract("epoch", func.now()))).scalar_one()
    long_ago = Image.id < first_id_at(int(now) - days * 24 * 3600)
    return _ids(session, select(Image.id).where(long_ago, _quiet(days)).order_by(Image.id), most)


def lock_expired(session: Session, image_id: int, days: int) -> Image | None:
    """None when it was restored meanwhile."""
    return _locked(session, Image.id == image_id, _expired(days), to_go=True)


def lock_vain_upload(session: Session, image_id: int, days: int) -> Image | None:
    return _locked(session, Image.id == image_id, _in_vain(days))


def lock_quiet(session: Session, image_id: int, days: int) -> Image | None:
    """None when its file came meanwhile, or someone asked for a URL."""
    return _locked(session, Image.id == image_id, _quiet(days))


def remove(session: Session, image_id: int) -> None:
    """With its links."""
    session.execute(delete(Image).where(Image.id == image_id))


def _expired(days: int) -> ColumnElement[bool]:
    """Exactly those that can no longer be restored."""
    return Image.deleted_at <= func.now() - timedelta(days=days)


def _quiet(days: int) -> ColumnElement[bool]:
    return (Image.status == Status.PENDING) & WITHIN_REACH & _unasked(days)


def _in_vain(days: int) -> ColumnElement[bool]:
    # What is missing stays within reach: its owner may bring the file back.
    dropped = (Image.status == Status.MISSING) & _unasked(days)
    return AMID_PARTS & or_(Image.deleted_at.is_not(None), Image.uploaded_at.is_not(None), dropped)


def _unasked(days: int) -> ColumnElement[bool]:
    return or_(Image.renewed_at.is_(None), Image.renewed_at <= func.now() - timedelta(days=days))


def _ids(session: Session, chosen: Select[int], most: int) -> Sequence[int]:
    return session.scalars(chosen.limit(most)).all()


def _locked(session: Session, *conditions: Any, to_go: bool = False) -> Image | None:
    # One that stays may get links meanwhile, or it and a merge would wait for each other.
    one = select(Image).where(*conditions).with_for_update(key_share=not to_go)
    return session.scalars(one.execution_options(populate_existing=True)).one_or_none()
