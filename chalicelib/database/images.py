"""Single images: get, change, bin, and what the storage reports of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session, selectinload

from chalicelib.database.tables import Image, Status, first_id_at

WITHIN_REACH = Image.deleted_at.is_(None)


def add(session: Session, image: Image) -> None:
    """Gives it its id."""
    session.add(image)
    session.flush()


def get(session: Session, image_id: int) -> Image | None:
    return session.scalars(_with_tags(Image.id == image_id, WITHIN_REACH)).one_or_none()


def get_for_change(session: Session, image_id: int) -> Image | None:
    """No one else changes the image or its tags until the transaction ends."""
    return _locked(session, Image.id == image_id, WITHIN_REACH)


def get_binned_for_change(session: Session, image_id: int) -> Image | None:
    return _locked(session, Image.id == image_id, Image.deleted_at.is_not(None))


def by_object_key_for_change(session: Session, object_key: str) -> Image | None:
    """In the bin or not: the storage knows nothing of our bin."""
    return _locked(session, Image.object_key == object_key)


def refresh_tags(session: Session, image: Image) -> None:
    session.refresh(image, ["tags"])


def pending_since(session: Session, timestamp: int, after_id: int, limit: int) -> Sequence[Row[int, str]]:
    """Id and object key of images registered since then that still wait for their file, oldest first."""
    rows = (
        select(Image.id, Image.object_key)
        .where(Image.status == Status.PENDING, Image.id >= first_id_at(timestamp), Image.id > after_id)
        .order_by(Image.id)
        .limit(limit)
    )
    return session.execute(rows).all()


def now(session: Session) -> datetime:
    return session.scalars(select(func.now())).one()


def _locked(session: Session, *conditions: ColumnElement[bool]) -> Image | None:
    statement = _with_tags(*conditions).with_for_update(of=Image, key_share=True)
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def _with_tags(*conditions: ColumnElement[bool]) -> Select[Image]:
    return select(Image).where(*conditions).options(selectinload(Image.tags))
