"""Links of popular tags, hidden ones too, once more, packed: for each few thousand images, which of them have the tag.

Two packed lists are intersected in a tenth of the time that a walk of the links themselves takes. Packed links are a
copy, and may be old: triggers note in `changed_images` whose links change, those images are looked at themselves, and
from time to time their block is packed again. So that no change is missed,

- only images that are an hour old are packed, while changes are noted from half an hour on, and no transaction lives
  for the half hour between (the session's time limits see to it): whoever does not see that an image is packed notes
  the change all the same;
- who packs forgets only changes that are in the very snapshot that is packed: each change is a row of its own;
- there is one packer at a time, and each statement of one begins after the last one's commit.
"""

from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from chalicelib.database.tables import changed_images, packed_blocks

PACKING_LOCK = 7_161_003
BLOCK = 8192
"""Images. A longer block takes less time to intersect as a whole, but more until its newest images are found."""

LEAST_IMAGES = 5000
LEAST_SHARE = 0.001
"""Of all images. A tag on fewer is walked soon enough."""


class Block(NamedTuple):
    """Images from the id `first` up to and without `end`."""

    first: int
    end: int


def is_alone(session: Session) -> bool:
    """Nobody else packs until the transaction ends; False: somebody does."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(PACKING_LOCK))))


def choose_tags(session: Session) -> None:
    """Tags that have become popular are to be packed."""
    session.execute(_CHOOSE_TAGS, {"least": LEAST_IMAGES, "share": LEAST_SHARE})


def next_block(session: Session) -> Block | None:
    """Behind the packed ones, if there are images enough that are old enough."""
    row = session.execute(_NEXT_BLOCK, {"size": BLOCK}).one()
    return None if row.end is None else Block(row.first, row.end)


def changes(session: Session) -> int:
    """Of packed images."""
    end = select(func.max(packed_blocks.c.end_id)).scalar_subquery()
    return session.scalars(select(func.count()).where(changed_images.c.image_id < end)).one()


def most_changed_block(session: Session) -> Block | None:
    """Judged by a sample of the changes, of which there may be millions."""
    row = session.execute(_MOST_CHANGED_BLOCK).one_or_none()
    return None if row is None else Block(row.first_id, row.end_id)


def pack(session: Session, block: Block) -> None:
    """Anew, if it is packed already."""
    session.execute(_PACK, {"first": block.first, "end": block.end})


def pack_new_tags(session: Session) -> bool:
    """In the newest of the blocks that lack one; whether there is such a block."""
    first = session.scalar(_NEWEST_WITHOUT_A_TAG)
    if first is None:
        return False
    session.execute(_PACK_NEW_TAGS, {"first": first})
    session.execute(_NOTE_PACKED, {"first": first})
    return True


_CHOOSE_TAGS = text(
    """
    INSERT INTO packed_tags (tag_id) SELECT id FROM (
        SELECT id, image_count FROM tags WHERE deleted_at IS NULL
        UNION ALL SELECT id, image_count FROM hidden_tags WHERE keyword IN (
            SELECT keyword FROM indexed_attributes WHERE position = 0 AND removed_at IS NULL
        )
    ) t WHERE image_count >= greatest(
        :least, :share * (SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass)
    ) ON CONFLICT DO NOTHING
    """
)

_LINKS = "(SELECT image_id, tag_id FROM image_tags UNION ALL SELECT image_id, tag_id FROM hidden_image_tags)"

_NEXT_BLOCK = text(
    """
    SELECT p.first, (
        SELECT id FROM images
        WHERE deleted_at IS NULL AND id >= p.first
            AND id < ((extract(epoch from now()) * 1000)::bigint - 1704067200000 - 3600000) << 12
        ORDER BY id OFFSET :size LIMIT 1
    ) AS end FROM (SELECT coalesce(max(end_id), 0) AS first FROM packed_blocks) p
    """
)

_MOST_CHANGED_BLOCK = text(
    """
    SELECT b.first_id, b.end_id FROM (
        SELECT image_id FROM changed_images WHERE image_id < (SELECT max(end_id) FROM packed_blocks) LIMIT 10000
    ) c CROSS JOIN LATERAL (
        SELECT first_id, end_id FROM packed_blocks WHERE first_id <= c.image_id ORDER BY first_id DESC LIMIT 1
    ) b GROUP BY b.first_id, b.end_id ORDER BY count(*) DESC LIMIT 1
    """
)

_PACK = text(
    f"""
    WITH placed AS MATERIALIZED (
        SELECT id AS image_id, row_number() OVER (ORDER BY id)::int AS place
        FROM images WHERE id >= :first AND id < :end AND deleted_at IS NULL
    ), block AS (
        INSERT INTO packed_blocks VALUES (:first, :end, ARRAY(SELECT image_id FROM placed ORDER BY place))
        ON CONFLICT (first_id) DO UPDATE SET image_ids = excluded.image_ids
    ), noted AS (
        DELETE FROM changed_images WHERE image_id >= :first AND image_id < :end
    ), found AS (
        SELECT l.tag_id, array_agg(p.place ORDER BY p.place) AS places
        FROM placed p JOIN {_LINKS} l USING (image_id) WHERE l.image_id >= :first AND l.image_id < :end
        GROUP BY l.tag_id
    )
    INSERT INTO packed_links
    SELECT t.tag_id, :first, coalesce(f.places, '{{}}') FROM packed_tags t LEFT JOIN found f USING (tag_id)
    WHERE f.places IS NOT NULL OR EXISTS (SELECT FROM packed_links WHERE tag_id = t.tag_id AND first_id = :first)
    ON CONFLICT (tag_id, first_id) DO UPDATE SET places = excluded.places
    """  # noqa: S608 (our own words)
)

_NEWEST_WITHOUT_A_TAG = text(
    """
    SELECT max(first_id) FROM packed_blocks
    WHERE first_id < (SELECT max(packed_from) FROM packed_tags)
    """
)

_PACK_NEW_TAGS = text(
    f"""
    INSERT INTO packed_links
    SELECT t.tag_id, b.first_id, array_agg(p.place::int ORDER BY p.place)
    FROM packed_blocks b CROSS JOIN LATERAL unnest(b.image_ids) WITH ORDINALITY AS p (image_id, place)
    JOIN {_LINKS} l USING (image_id) JOIN packed_tags t USING (tag_id)
    WHERE b.first_id = :first AND t.packed_from > :first
    GROUP BY t.tag_id, b.first_id
    ON CONFLICT (tag_id, first_id) DO UPDATE SET places = excluded.places
    """  # noqa: S608 (our own words)
)

_NOTE_PACKED = text("UPDATE packed_tags SET packed_from = :first WHERE packed_from > :first")
