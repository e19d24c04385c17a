"""Single images: get, change, bin, and what the storage reports of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, selectinload

from chalicelib.database.tables import Image, Status

WITHIN_REACH = Image.deleted_at.is_(None)


def add(session: Session, image: Image) -> None:
    """Gives it its id."""
    session.add(image)
    session.flush()


def get(session: Session, image_id: int) -> Image | None:
    one = select(Image).where(Image.id == image_id, WITHIN_REACH).options(selectinload(Image.tags))
    return session.scalars(one).one_or_none()


def get_for_change(session: Session, image_id: int) -> Image | None:
    """No one else changes the image or its tags until the transaction ends. Its tags come with `refresh`."""
    return _locked(session, Image.id == image_id, WITHIN_REACH)


def get_restorable_for_change(session: Session, image_id: int, days: int) -> Image | None:
    """In the bin for no longer than these days, or not in the bin at all."""
    in_time = Image.deleted_at > func.now() - timedelta(days=days)
    return _locked(session, Image.id == image_id, or_(WITHIN_REACH, in_time))


def by_object_key_for_change(session: Session, object_key: str) -> Image | None:
    """In the bin or not: the storage knows nothing of our bin."""
    return _locked(session, Image.object_key == object_key)


def refresh(session: Session, image: Image) -> None:
    """Its tags as they are now, and its metadata as PostgreSQL keeps it: 1e16 becomes 10000000000000000."""
    session.flush()
    session.refresh(image, ["tags", "metadata_"])


def waiting_keys(session: Session, limit: int) -> Sequence[str]:
    """Object keys of images whose file is not there, pending or missing; the newest."""
    waiting = Image.status.in_([Status.PENDING, Status.MISSING])
    return session.scalars(select(Image.object_key).where(waiting).order_by(Image.id.desc()).limit(limit)).all()


def now(session: Session) -> datetime:
    return session.scalars(select(func.now())).one()


def _locked(session: Session, *conditions: ColumnElement[bool]) -> Image | None:
    one = select(Image).where(*conditions).with_for_update(key_share=True)
    return session.scalars(one.execution_options(populate_existing=True)).one_or_none()
