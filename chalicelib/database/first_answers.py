"""What was answered to requests with an Idempotency-Key."""

import hashlib
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from chalicelib.database.tables import FirstAnswer

KEPT = timedelta(hours=24)


class Kept(NamedTuple):
    request: bytes
    """SHA-256 of what was asked."""
    status: int
    headers: dict[str, Any]
    body: str
    image_ids: list[int]
    tag_ids: list[int]
    """What the request touched; for the access log."""


def claim(session: Session, caller: str, key: str) -> bool:
    """Whether nobody else is at a request with this key; nobody else is then, until the transaction ends."""
    digest = hashlib.sha256(f"{caller}\0{key}".encode()).digest()
    lock = int.from_bytes(digest[:8], "big", signed=True)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(lock))))


def find(session: Session, caller: str, key: str) -> Kept | None:
    """To be asked once the key is claimed, in a statement of its own: who had it claimed before has committed then."""
    own = (FirstAnswer.caller == caller, FirstAnswer.key == key, FirstAnswer.answered_at > func.now() - KEPT)
    row = session.execute(select(*(getattr(FirstAnswer, name) for name in Kept._fields)).where(*own)).one_or_none()
    return None if row is None else Kept(*row)._replace(request=bytes(row.request))


def keep(session: Session, caller: str, key: str, answer: Kept) -> None:
    """In the place of one that is too old to be given again, if there is one."""
    values = {**answer._asdict(), "answered_at": func.now()}
    row = insert(FirstAnswer).values(caller=caller, key=key, **values)
    session.execute(row.on_conflict_do_update(index_elements=["caller", "key"], set_=values))


def drop_old(session: Session, most: int) -> int:
    """Drops the oldest of the answers that are not given any more. Returns how many there were."""
    dropped: int = session.execute(_DROP_OLD, {"kept": KEPT, "most": most}).scalar_one()
    return dropped


_DROP_OLD = text(
    """
    WITH dropped AS (
        DELETE FROM first_answers WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM first_answers WHERE answered_at <= now() - :kept
            ORDER BY answered_at LIMIT :most FOR UPDATE SKIP LOCKED
        )) RETURNING 1
    )
    SELECT count(*) FROM dropped
    """
)
