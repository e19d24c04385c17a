"""What runs by the clock goes through bit by bit, and how far it has come."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from chalicelib.database.tables import Image, Status, scan_positions


class WaitingImage(NamedTuple):
    id: int
    object_key: str


class KnownObject(NamedTuple):
    key: str
    is_there: bool
    """As far as we know."""


def position(session: Session, scan: str) -> str | None:
    """Where to go on; None: at the beginning."""
    return session.scalar(select(scan_positions.c.after).where(scan_positions.c.name == scan))


def remember(session: Session, scan: str, after: str | None) -> None:
    """None: begin again."""
    row = insert(scan_positions).values(name=scan, after=after or "")
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"after": row.excluded.after}))


def waiting(session: Session, before: int, most: int) -> Sequence[WaitingImage]:
    """Images whose file is not there, pending or missing, newest first."""
    chosen = select(Image.id, Image.object_key).where(
        Image.status.in_([Status.PENDING, Status.MISSING]), Image.id < before
    )
    return [WaitingImage(*row) for row in session.execute(chosen.order_by(Image.id.desc()).limit(most))]


def known_objects(session: Session, after: str, up_to: str | None, most: int) -> Sequence[KnownObject]:
    """Of images, in the bin or not, in the order of the keys."""
    chosen = select(Image.object_key, Image.uploaded_at.is_not(None)).where(Image.object_key > after)
    if up_to is not None:
        chosen = chosen.where(Image.object_key <= up_to)
    return [KnownObject(*row) for row in session.execute(chosen.order_by(Image.object_key).limit(most))]


def is_known(session: Session, object_key: str) -> bool:
    return session.scalar(select(Image.id).where(Image.object_key == object_key)) is not None
