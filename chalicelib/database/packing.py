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

MOST_FORGOTTEN = 100_000
"""Changes, each time a block is packed: one image may have been changed a million times. The others stay noted, and the
block is packed again."""

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


def choose_tags(session: Session, after: int, most: int) -> int | None:
    """Looks at the next tags, hidden ones too, with ids above `after`: those that have become popular are to be packed.
    Returns the last id that was looked at, or None when there are no more."""
    chosen = {"after": after, "most": most, "least": LEAST_IMAGES, "share": LEAST_SHARE}
    last: int | None = session.execute(_CHOOSE_TAGS, chosen).scalar_one()
    return last


def next_block(session: Session) -> Block | None:
    """Behind the packed ones, if there are images enough that are old enough."""
    row = session.execute(_NEXT_BLOCK, {"size": BLOCK}).one()
    return None if row.end is None else Block(row.first, row.end)


def changes(session: Session, most: int) -> int:
    """Counts changes of packed images, up to `most`."""
    end = select(func.max(packed_blocks.c.end_id)).scalar_subquery()
    found = select(changed_images.c.image_id).where(changed_images.c.image_id < end).limit(most)
    return session.scalars(select(func.count()).select_from(found.subquery())).one()


def most_changed_block(session: Session, sample: int) -> Block | None:
    """Returns the block with the most changes, judged by a sample: there may be millions of them."""
    row = session.execute(_MOST_CHANGED_BLOCK, {"sample": sample}).one_or_none()
    return None if row is None else Block(row.first_id, row.end_id)


def pack(session: Session, block: Block) -> None:
    """Packs the block, and replaces what was packed of it before."""
    _read_ranges(session)
    session.execute(_PACK, {**block._asdict(), "forgotten": MOST_FORGOTTEN})


def append(session: Session, block: Block) -> None:
    """Packs the block that comes after all others. Tags that no block has held yet are held from this one on."""
    pack(session, block)
    session.execute(_NOTE_PACKED, {"first": block.first})


def pack_new_tags(session: Session) -> bool:
    """Packs new tags in the newest of the blocks that lack one. Returns whether there was such a block."""
    row = session.execute(_NEWEST_WITHOUT_A_TAG).one_or_none()
    if row is None:
        return False
    _read_ranges(session)
    session.execute(_PACK_NEW_TAGS, {"first": row.first_id, "end": row.end_id})
    session.execute(_NOTE_PACKED, {"first": row.first_id})
    return True


def _read_ranges(session: Session) -> None:
    """Until the transaction ends, statements read the links of a block in one go. Without this the planner, which knows
    neither how long an array is nor how many images are in the newest ids, may look up each image by itself."""
    session.execute(text("SET LOCAL enable_hashjoin = on; SET LOCAL enable_nestloop = off"))


# The ids of both tables are of one sequence.
_CHOOSE_TAGS = text(
    """
    WITH known AS MATERIALIZED (
        SELECT id, image_count, keyword, is_live FROM (
            SELECT id, image_count, NULL::text AS keyword, deleted_at IS NULL AS is_live FROM tags
            UNION ALL SELECT id, image_count, keyword, true FROM hidden_tags
        ) t WHERE id > :after ORDER BY id LIMIT :most
    ), chosen AS (
        INSERT INTO packed_tags (tag_id) SELECT id FROM known WHERE image_count >= greatest(
            :least, :share * (SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass)
        ) AND is_live AND (keyword IS NULL OR keyword IN (
            SELECT keyword FROM indexed_attributes WHERE position = 0 AND removed_at IS NULL
        )) ON CONFLICT DO NOTHING
    )
    SELECT CASE WHEN count(*) = :most THEN max(id) END FROM known
    """
)

# The range stands at both tables: that of the images does not pass through UNION ALL to the links.
_LINKS = """(
        SELECT image_id, tag_id FROM image_tags WHERE image_id >= :first AND image_id < :end
        UNION ALL SELECT image_id, tag_id FROM hidden_image_tags WHERE image_id >= :first AND image_id < :end
    )"""

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
        SELECT image_id FROM changed_images WHERE image_id < (SELECT max(end_id) FROM packed_blocks) LIMIT :sample
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
        DELETE FROM changed_images WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM changed_images WHERE image_id >= :first AND image_id < :end LIMIT :forgotten
        ))
    ), found AS (
        SELECT l.tag_id, array_agg(p.place ORDER BY p.place) AS places
        FROM placed p JOIN {_LINKS} l USING (image_id) GROUP BY l.tag_id
    )
    INSERT INTO packed_links
    SELECT t.tag_id, :first, coalesce(f.places, '{{}}') FROM packed_tags t LEFT JOIN found f USING (tag_id)
    WHERE f.places IS NOT NULL OR EXISTS (SELECT FROM packed_links WHERE tag_id = t.tag_id AND first_id = :first)
    ON CONFLICT (tag_id, first_id) DO UPDATE SET places = excluded.places
    """  # noqa: S608 (our own words)
)

_NEWEST_WITHOUT_A_TAG = text(
    """
    SELECT first_id, end_id FROM packed_blocks
    WHERE first_id < (SELECT max(packed_from) FROM packed_tags) ORDER BY first_id DESC LIMIT 1
    """
)

_PACK_NEW_TAGS = text(
    f"""
    INSERT INTO packed_links
    SELECT tag_id, :first, array_agg(p.place::int ORDER BY p.place)
    FROM unnest((SELECT image_ids FROM packed_blocks WHERE first_id = :first)) WITH ORDINALITY AS p (image_id, place)
    JOIN {_LINKS} l USING (image_id) JOIN packed_tags t USING (tag_id)
    WHERE t.packed_from > :first GROUP BY tag_id
    ON CONFLICT (tag_id, first_id) DO UPDATE SET places = excluded.places
    """  # noqa: S608 (our own words)
)

_NOTE_PACKED = text("UPDATE packed_tags SET packed_from = :first WHERE packed_from > :first")
