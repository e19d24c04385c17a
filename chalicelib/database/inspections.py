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
    created_by: str
    uploaded_at: datetime | None
    """Tells one file of the image from another."""


def waiting(session: Session, object_key: str) -> Uninspected | None:
    """None: there is nothing to do, or nothing any more."""
    chosen = (WAITING, Image.object_key == object_key)
    columns = (Image.id, Image.object_key, Image.size, Image.content_type, Image.created_by, Image.uploaded_at)
    row = session.execute(select(*columns).where(*chosen)).one_or_none()
    return None if row is None else Uninspected(*row)


def overdue(session: Session, minutes: int, limit: int) -> Sequence[tuple[str, str]]:
    """Returns object keys and creators of the newest of those that have waited for this many minutes, and twice as long
    each time that they were requested again: the queue may merely be long. Each request is counted, and there are only
    a few."""
    patience = timedelta(minutes=minutes) * func.power(2, Image.inspections_asked)
    long_ago = func.greatest(Image.uploaded_at, Image.inspections_asked_at) < func.now() - patience
    hopeful = Image.inspections_asked < MOST_INSPECTIONS_ASKED
    found = select(Image.id).where(WAITING, hopeful, long_ago).order_by(Image.id.desc()).limit(limit)
    chosen = found.with_for_update(skip_locked=True).cte("chosen")
    noted = {"inspections_asked": Image.inspections_asked + 1, "inspections_asked_at": func.now()}
    asked = update(Image).where(Image.id == chosen.c.id).values(noted)
    returned = asked.returning(Image.object_key, Image.created_by).execution_options(synchronize_session=False)
    return [(object_key, created_by) for object_key, created_by in session.execute(returned)]
