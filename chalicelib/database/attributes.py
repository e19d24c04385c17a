"""The index of attributes: which keywords are in it, and how far; what is added and removed in the background.

Triggers on images index what changes. A backfill goes through the images that were there before, newest first, and can
stop and go on anywhere. So that it misses nothing and never puts back what a trigger has just taken away,

- it begins when every transaction has ended that may have looked for keywords before there was this one;
- each image is locked while its attributes are read and indexed, and it ends before one that someone else has locked.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from chalicelib.database.tables import attribute_failures, indexed_attributes


class Backfill(NamedTuple):
    """Of keywords that images from `position` on are indexed by."""

    position: int
    keywords: list[str]


class Chunk(NamedTuple):
    images: int
    position: int
    """From where on images are indexed now; 0: all are."""


def in_the_background(session: Session) -> None:
    """Until the transaction ends, links that come and go are of no interest to `packing`."""
    session.execute(text("SET LOCAL images.in_the_background = 'on'"))


def settle(session: Session, wanted: Collection[str]) -> None:
    """The keywords to index from now on; one that is just being removed comes back when it is gone."""
    session.execute(_ADD, {"wanted": list(wanted)})
    session.execute(_REMOVE, {"wanted": list(wanted)})


def let_begin(session: Session) -> None:
    """Keywords that earlier transactions have added."""
    session.execute(_LET_BEGIN)


def next_backfill(session: Session) -> Backfill | None:
    """Nobody else goes on with it until the transaction ends."""
    row = session.execute(_NEXT_BACKFILL).one_or_none()
    return None if row is None else Backfill(*row)


def fill_in(session: Session, backfill: Backfill, most: int) -> Chunk:
    """Images before the position."""
    chosen = session.scalars(_CHUNK, {"position": backfill.position, "most": most}).all()
    held = set(session.scalars(_HOLD, {"image_ids": chosen}))
    ready = chosen[: next((number for number, image in enumerate(chosen) if image not in held), len(chosen))]
    is_last = len(ready) == len(chosen) < most
    position = 0 if is_last else ready[-1] if ready else backfill.position
    for statement in (_ADD_VALUES, _ADD_LINKS):
        session.execute(statement, {"image_ids": ready, "keywords": backfill.keywords})
    session.execute(_NOTE, {"position": position, "keywords": backfill.keywords})
    return Chunk(len(ready), position)


def removed(session: Session, seconds: int) -> Sequence[str]:
    """So long ago that no search uses them any more."""
    long_ago = func.now() - timedelta(seconds=seconds)
    return session.scalars(
        select(indexed_attributes.c.keyword).where(indexed_attributes.c.removed_at <= long_ago)
    ).all()


def remove_some(session: Session, keyword: str, most: int) -> bool:
    """Whether there may be more of it; else the keyword is gone, or will be when nobody is just indexing by it."""
    if session.scalars(_REMOVE_FAILURES, {"keyword": keyword, "most": most}).all():
        return True
    links, tags = session.execute(_REMOVE_LINKS, {"keyword": keyword, "most": most}).one()
    if tags:
        return bool(links or session.scalars(_REMOVE_TAGS, {"keyword": keyword, "most": most}).all())
    if session.scalar(_HOLD_KEYWORD, {"keyword": keyword}) is not None:
        session.execute(_REMOVE_KEYWORD, {"keyword": keyword})
    return False


def failures(session: Session, keywords: Collection[str]) -> int:
    """Images that cannot be found by one of these."""
    failed = select(func.count()).select_from(attribute_failures)
    return session.scalars(failed.where(attribute_failures.c.keyword.in_(keywords))).one()


def share_done(session: Session, position: int) -> float:
    """Of the time between the oldest and the newest image."""
    share: float = session.execute(_SHARE_DONE, {"position": position}).scalar_one()
    return share


_ADD = text(
    """
    INSERT INTO indexed_attributes (keyword) SELECT unnest(CAST(:wanted AS text[])) ORDER BY 1 ON CONFLICT DO NOTHING
    """
)

_REMOVE = text(
    """
    UPDATE indexed_attributes SET removed_at = now()
    WHERE removed_at IS NULL AND keyword <> ALL (CAST(:wanted AS text[]))
    """
)

_LET_BEGIN = text(
    """
    UPDATE indexed_attributes SET waits_for = pg_current_xact_id()::text::bigint
    WHERE waits_for IS NULL
    """
)

_NEXT_BACKFILL = text(
    """
    WITH ready AS (
        SELECT keyword, position FROM indexed_attributes
        WHERE removed_at IS NULL AND position > 0 AND waits_for <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ), held AS (
        SELECT keyword, position FROM indexed_attributes
        WHERE keyword IN (SELECT keyword FROM ready) AND position = (SELECT max(position) FROM ready)
        FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT position, array_agg(keyword ORDER BY keyword) FROM held GROUP BY position
    """
)

_CHUNK = text("SELECT id FROM images WHERE deleted_at IS NULL AND id < :position ORDER BY id DESC LIMIT :most")

_HOLD = text("SELECT id FROM images WHERE id = ANY (:image_ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")

# The triggers' function index_attributes does the same for one image. OFFSET 0 keeps the planner from joining: a plan
# that was made when there were hardly any values would compare each entry of a chunk with all of them.
_ENTRIES = "attribute_entries(CAST(:image_ids AS bigint[]), CAST(:keywords AS text[]))"

_ADD_VALUES = text(
    f"""
    INSERT INTO hidden_tags (keyword, value)
    SELECT e.keyword, e.value FROM (SELECT DISTINCT keyword, value FROM {_ENTRIES} WHERE reason IS NULL) e
    WHERE NOT EXISTS (SELECT FROM hidden_tags h WHERE h.keyword = e.keyword AND h.value = e.value OFFSET 0)
    ORDER BY e.keyword, e.value ON CONFLICT DO NOTHING
    """  # noqa: S608 (our own words)
)

_ADD_LINKS = text(
    f"""
    WITH entries AS MATERIALIZED (
        SELECT image_id, keyword, value, reason FROM {_ENTRIES}
    ), failed AS (
        INSERT INTO attribute_failures
        SELECT keyword, image_id, min(reason) FROM entries WHERE reason IS NOT NULL GROUP BY keyword, image_id
        ON CONFLICT (keyword, image_id) DO UPDATE SET reason = excluded.reason
    )
    INSERT INTO hidden_image_tags
    SELECT e.image_id, h.id FROM entries e CROSS JOIN LATERAL (
        SELECT id FROM hidden_tags h WHERE h.keyword = e.keyword AND h.value = e.value OFFSET 0
    ) h WHERE e.reason IS NULL ON CONFLICT DO NOTHING
    """  # noqa: S608 (our own words)
)

_NOTE = text("UPDATE indexed_attributes SET position = :position WHERE keyword = ANY (:keywords)")

_REMOVE_FAILURES = text(
    """
    DELETE FROM attribute_failures WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM attribute_failures WHERE keyword = :keyword ORDER BY image_id LIMIT :most
        FOR UPDATE SKIP LOCKED
    )) RETURNING image_id
    """
)

_REMOVE_LINKS = text(
    """
    WITH tags AS MATERIALIZED (
        SELECT id FROM hidden_tags WHERE keyword = :keyword ORDER BY value LIMIT :most
    ), chosen AS MATERIALIZED (
        SELECT l.image_id, l.tag_id FROM hidden_image_tags l WHERE l.tag_id = ANY (ARRAY(SELECT id FROM tags))
        LIMIT :most FOR UPDATE SKIP LOCKED
    ), removed AS (
        DELETE FROM hidden_image_tags l USING chosen c WHERE l.image_id = c.image_id AND l.tag_id = c.tag_id RETURNING 1
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM tags)
    """
)

_REMOVE_TAGS = text(
    """
    DELETE FROM hidden_tags WHERE id = ANY (ARRAY(
        SELECT id FROM hidden_tags h WHERE keyword = :keyword
            AND NOT EXISTS (SELECT FROM hidden_image_tags WHERE tag_id = h.id)
        ORDER BY value LIMIT :most FOR UPDATE SKIP LOCKED
    )) RETURNING id
    """
)

_HOLD_KEYWORD = text("SELECT keyword FROM indexed_attributes WHERE keyword = :keyword FOR UPDATE SKIP LOCKED")

_REMOVE_KEYWORD = text(
    """
    DELETE FROM indexed_attributes
    WHERE keyword = :keyword AND NOT EXISTS (SELECT FROM hidden_tags WHERE keyword = :keyword)
    """
)

_SHARE_DONE = text(
    """
    SELECT round(coalesce(least(1, (newest - :position)::numeric / nullif(newest - oldest, 0)), 1), 3)::float
    FROM (
        SELECT min(id) AS oldest, max(id) AS newest FROM images WHERE deleted_at IS NULL
    ) e
    """
)
