"""What is put off when tags change, and done in the background: purging links, and adding up counts.

Nothing here waits for a lock, so nothing can be in a deadlock with it: what someone else holds is left for later.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import TextClause, select, text
from sqlalchemy.orm import Session

from chalicelib.database.tables import Tag


class Purged(NamedTuple):
    links: int
    last: int | None
    """The image up to which links have been looked at; None: there were no more."""


class Counted(NamedTuple):
    """Tables: of tags with their counts, and of what is yet to be added to these."""

    tags: str
    changes: str


COUNTED = (Counted("tags", "tag_count_changes"), Counted("hidden_tags", "hidden_tag_count_changes"))


def deleted_tags(session: Session, most: int) -> Sequence[int]:
    """Returns the ids of deleted tags, in the order of their ids."""
    return session.scalars(select(Tag.id).where(Tag.deleted_at.is_not(None)).order_by(Tag.id).limit(most)).all()


def purge_links(session: Session, tag_id: int, after: int, most: int) -> Purged:
    """Of images not in the bin, behind the image `after`. Each image is locked before it loses its link, as by everyone
    who changes its tags, so that whether it has another is certain; those that someone is changing are left out."""
    row = session.execute(_PURGE_LINKS, {"tag_id": tag_id, "after": after, "most": most}).one()
    return Purged(*row)


def purge_binned_links(session: Session, tag_id: int, most: int) -> int:
    purged: int = session.execute(_PURGE_BINNED_LINKS, {"tag_id": tag_id, "most": most}).scalar_one()
    return purged


def purge_tags(session: Session, tag_ids: Sequence[int]) -> set[int]:
    """Returns the deleted tags that are gone now: one stays as long as it has a link, or someone who found it before it
    was deleted may yet make one. Packed links go with their tag, so no other process may pack at the same time."""
    held = session.scalars(_HOLD_ALONE, {"tag_ids": list(tag_ids)}).all()
    return set(session.scalars(_PURGE_TAGS, {"tag_ids": held})) if held else set()


def fold_counts(session: Session, counted: Counted, most: int) -> int:
    """Adds recorded changes to the counts of their tags, and drops those of tags that are gone. Returns the number of
    changes. The tags are locked first: another fold passes them over, and the second statement sees their counts and
    changes as they are from then on."""
    tag_ids = session.scalars(_of(counted, _HOLD_CHANGED), {"most": most}).all()
    if not tag_ids:
        return 0
    folded: int = session.execute(_of(counted, _FOLD), {"tag_ids": tag_ids, "most": most}).scalar_one()
    return folded


def _of(counted: Counted, statement: str) -> TextClause:
    return text(statement.format(tags=counted.tags, changes=counted.changes))


_PURGE_LINKS = text(
    """
    WITH chosen AS MATERIALIZED (
        SELECT image_id FROM image_tags WHERE tag_id = :tag_id AND image_id > :after ORDER BY image_id LIMIT :most
    ), held AS MATERIALIZED (
        SELECT id FROM images WHERE id = ANY (ARRAY(SELECT image_id FROM chosen))
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), purged AS (
        DELETE FROM image_tags WHERE tag_id = :tag_id AND image_id = ANY (ARRAY(SELECT id FROM held)) RETURNING 1
    )
    SELECT (SELECT count(*) FROM purged), (SELECT max(image_id) FROM chosen)
    """
)

_PURGE_BINNED_LINKS = text(
    """
    WITH chosen AS MATERIALIZED (
        SELECT image_id FROM binned_image_tags WHERE tag_id = :tag_id LIMIT :most FOR UPDATE SKIP LOCKED
    ), purged AS (
        DELETE FROM binned_image_tags WHERE tag_id = :tag_id AND image_id = ANY (ARRAY(SELECT image_id FROM chosen))
        RETURNING 1
    )
    SELECT count(*) FROM purged
    """
)

_HOLD_ALONE = text(
    """
    SELECT id FROM tags WHERE id = ANY (:tag_ids) AND deleted_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED
    """
)

# OFFSET 0: the links of each tag are looked up, and not all links joined.
_PURGE_TAGS = text(
    """
    DELETE FROM tags t WHERE id = ANY (:tag_ids)
        AND NOT EXISTS (SELECT FROM image_tags WHERE tag_id = t.id OFFSET 0)
        AND NOT EXISTS (SELECT FROM binned_image_tags WHERE tag_id = t.id OFFSET 0)
    RETURNING id
    """
)

_HOLD_CHANGED = """
    WITH changed AS MATERIALIZED (
        SELECT DISTINCT tag_id FROM (SELECT tag_id FROM {changes} ORDER BY tag_id LIMIT :most) c
    ), held AS (
        SELECT id FROM {tags} WHERE id = ANY (ARRAY(SELECT tag_id FROM changed))
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT id FROM held
    UNION ALL SELECT tag_id FROM changed WHERE NOT EXISTS (SELECT FROM {tags} WHERE id = tag_id OFFSET 0)
    """

_FOLD = """
    WITH taken AS (
        DELETE FROM {changes} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {changes} WHERE tag_id = ANY (:tag_ids) LIMIT :most FOR UPDATE SKIP LOCKED
        )) RETURNING tag_id, change
    ), sums AS (
        SELECT tag_id, sum(change) AS change, count(*) AS changes FROM taken GROUP BY tag_id
    ), folded AS (
        UPDATE {tags} SET image_count = image_count + sums.change FROM sums WHERE id = tag_id
    )
    SELECT coalesce(sum(changes), 0)::bigint FROM sums
    """
