"""Which images wait to be inspected."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from chalicelib.database.tables import MOST_INSPECTIONS_ASKED, Image, Status

WAITING = and_(Image.status == Status.PRESENT, Image.inspected_at.is_(None))
"""In the bin or not: it may come back."""


class Uninspected(NamedTuple):
    id: int
    object_key: str
    size: int
    content_type: str
    uploaded_at: datetime | None
    """Tells one file of the image from another."""


def waiting(session: Session, object_key: str) -> Uninspected | None:
    """None: there is nothing to do, or nothing any more."""
    chosen = (WAITING, Image.object_key == object_key)
    one = select(Image.id, Image.object_key, Image.size, Image.content_type, Image.uploaded_at).where(*chosen)
    row = session.execute(one).one_or_none()
    return None if row is None else Uninspected(*row)


def overdue(session: Session, minutes: int, limit: int) -> Sequence[str]:
    """Object keys of the newest of those that have waited so long. It is counted that they are asked for, which is done
    a few times only."""
    long_ago = Image.uploaded_at < func.now() - timedelta(minutes=minutes)
    hopeful = Image.inspections_asked < MOST_INSPECTIONS_ASKED
    found = select(Image.id).where(WAITING, hopeful, long_ago).order_by(Image.id.desc()).limit(limit)
    chosen = found.with_for_update(skip_locked=True).cte("chosen")
    asked = update(Image).where(Image.id == chosen.c.id).values(inspections_asked=Image.inspections_asked + 1)
    return session.scalars(asked.returning(Image.object_key).execution_options(synchronize_session=False)).all()
