"""Looks up, in a statement or two, all that the criteria name: ids of tags, and how many images between which."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from chalicelib.database import ranges
from chalicelib.database.search import pairs
from chalicelib.database.search.criteria import Criteria
from chalicelib.database.search.deadline import Deadline
from chalicelib.database.search.pairs import RowCondition, row_conditions
from chalicelib.database.tags import like

FEW_TAGS = 32
"""For a pattern of no more tags than this the oldest and the newest image are looked up."""

MOST_VALUES = 20_000
"""For a range of more values than this the index is not used: rows are looked at as if there were none."""

LAST_ID = 2**63 - 1

SAMPLE = 1000
"""Where no count is kept, only the newest images are counted."""

PLACES = 10
ROWS_EACH = 30
"""Where nothing at all is known of what rows hold, some are looked at, in several places between oldest and newest."""

MOST_CHANGES = 20_000
"""Further on, it is not counted how many of the packed images have changed, and packed links are not used."""

ANYTHING = re.compile("%+")
"""The pattern of any tag at all."""


class Found(NamedTuple):
    tag_ids: str
    """As PostgreSQL writes an array."""
    tags: int
    images: int
    oldest: int | None
    newest: int | None
    """All its images are between these. None: there is none; or it has more than FEW_TAGS tags."""
    packed: bool = False
    """Whether the tag's links are in packed_links too."""


NOTHING = Found("{}", 0, 0, None, None)

_TAG = """
    SELECT '{kind}', t.name, ARRAY[t.id]::text, 1,
        (t.image_count + coalesce((SELECT sum(change) FROM tag_count_changes WHERE tag_id = t.id), 0))::bigint,
        (SELECT min(image_id) FROM image_tags WHERE tag_id = t.id),
        (SELECT max(image_id) FROM image_tags WHERE tag_id = t.id),
        EXISTS (SELECT FROM packed_tags WHERE tag_id = t.id AND packed_from = 0)
    FROM tags t WHERE t.deleted_at IS NULL AND {chosen}"""

_PATTERN = """
    SELECT 'pattern', '{number}', p.tag_ids::text, cardinality(p.tag_ids), p.images, e.oldest, e.newest, false
    FROM (
        SELECT coalesce(array_agg(id), '{{}}') AS tag_ids, coalesce(sum(image_count), 0)::bigint AS images
        FROM tags WHERE deleted_at IS NULL AND folded LIKE %(pattern{number})s
    ) p CROSS JOIN LATERAL (
        SELECT min(l.oldest) AS oldest, max(l.newest) AS newest
        FROM unnest(CASE WHEN cardinality(p.tag_ids) <= {few} THEN p.tag_ids END) AS u (tag_id)
        CROSS JOIN LATERAL (
            SELECT min(image_id) AS oldest, max(image_id) AS newest FROM image_tags WHERE tag_id = u.tag_id
        ) l
    ) e"""

_ATTRIBUTE = """
    SELECT 'attribute', '{name}', v.tag_ids::text, cardinality(v.tag_ids), v.images, e.oldest, e.newest,
        cardinality(v.tag_ids) = 1 AND EXISTS (
            SELECT FROM packed_tags WHERE tag_id = ANY (v.tag_ids) AND packed_from = 0
        )
    FROM (
        SELECT coalesce(array_agg(h.id) FILTER (WHERE h.id IS NOT NULL), '{{}}') AS tag_ids,
            coalesce(sum(h.image_count), 0)::bigint AS images
        FROM indexed_attributes k LEFT JOIN hidden_tags h ON h.keyword = k.keyword AND {chosen}
        WHERE k.keyword = %({name}_keyword)s AND k.position = 0 AND k.removed_at IS NULL AND {can_be_indexed}
        GROUP BY k.keyword HAVING count(*) <= {most}
    ) v CROSS JOIN LATERAL (
        SELECT min(l.oldest) AS oldest, max(l.newest) AS newest
        FROM unnest(CASE WHEN cardinality(v.tag_ids) <= {few} THEN v.tag_ids END) AS u (tag_id)
        CROSS JOIN LATERAL (
            SELECT min(image_id) AS oldest, max(image_id) AS newest FROM hidden_image_tags WHERE tag_id = u.tag_id
        ) l
    ) e"""

_SAMPLE = """
    SELECT '{kind}', '', '{{}}', 0, count(*), min(image_id), max(image_id), false
    FROM (SELECT {key} AS image_id FROM {table} WHERE {chosen} ORDER BY {key} DESC LIMIT {sample}) s"""

_SHARE = """
    SELECT 'share', '{name}', '{{}}', 0, count(*) FILTER (WHERE {holds}) * 1000 / greatest(1, count(*)),
        NULL::bigint, NULL::bigint, false
    FROM (SELECT min(id) AS first, max(id) - min(id) + 1 AS span FROM images WHERE deleted_at IS NULL) e
    CROSS JOIN generate_series(1, {places}) AS p (place)
    CROSS JOIN LATERAL (
        SELECT metadata, attributes FROM images
        WHERE deleted_at IS NULL AND id < e.first + e.span / {places} * p.place ORDER BY id DESC LIMIT {rows}
    ) r"""

_CAN_BE_INDEXED = "(SELECT bool_and(octet_length(v::text) <= 1000) FROM unnest(%({name}_values)s::jsonb[]) v)"

_PURGED = """
    SELECT 'purged', '', coalesce(array_agg(id), '{}')::text, count(*)::int, coalesce(sum(image_count), 0)::bigint,
        NULL::bigint, NULL::bigint, false
    FROM tags WHERE deleted_at IS NOT NULL"""

_PACKED = """
    SELECT 'packed', '', '{{}}', 0, c.changes, NULL::bigint, p.end_id, false
    FROM (SELECT end_id FROM packed_blocks ORDER BY first_id DESC LIMIT 1) p CROSS JOIN LATERAL (
        SELECT count(*) AS changes FROM (SELECT FROM changed_images WHERE image_id < p.end_id LIMIT {most}) l
    ) c"""

_IMAGES = """
    SELECT 'images', '', '{}', 0, greatest(reltuples, 0)::bigint,
        (SELECT min(id) FROM images WHERE deleted_at IS NULL),
        (SELECT max(id) FROM images WHERE deleted_at IS NULL), false
    FROM pg_class WHERE oid = 'images'::regclass"""


def look_up(session: Session, criteria: Criteria, deadline: Deadline | None = None) -> Mapping[tuple[str, str], Found]:
    """By kind and name: `tag` and its name, `tag_id`, `pattern` and its number, `attribute` and its name if its keyword
    is indexed, `created_by`, `untagged`, `purged` (tags that were deleted, whose links are still there), `packed`
    (images that have changed since they were, and where packed images end), `share` and the name of a row condition (in
    how many of a thousand rows it holds), and `images` (all of them)."""
    branches = list(_branches(criteria))
    if not branches:
        return {}
    deadline = deadline or Deadline.of_a_search()
    found = _asked(session, criteria, [*branches, _IMAGES], deadline)
    unknown = [
        each for each in row_conditions(criteria) if not {("attribute", each.name), ("share", each.name)} & found.keys()
    ]
    return found | _asked(session, criteria, [_share(each) for each in unknown], deadline) if unknown else found


def _asked(
    session: Session, criteria: Criteria, branches: list[str], deadline: Deadline
) -> dict[tuple[str, str], Found]:
    parameters: dict[str, Any] = {**texts(criteria), **pairs.of_the_index(criteria), "names": _names(criteria)}
    rows = session.connection().exec_driver_sql(deadline.limit() + " UNION ALL ".join(branches), parameters)
    return {(kind, name): Found(*rest) for kind, name, *rest in rows}


def _branches(criteria: Criteria) -> Iterator[str]:
    if _names(criteria):
        yield _TAG.format(kind="tag", chosen="t.name = ANY(%(names)s)")
    if criteria.tag_id is not None:
        yield _TAG.format(kind="tag_id", chosen=f"t.id = {criteria.tag_id}")
    for number in _patterns(criteria):
        yield _PATTERN.format(number=number, few=FEW_TAGS)
    if criteria.created_by is not None:
        chosen = "created_by = %(created_by)s AND deleted_at IS NULL"
        yield _SAMPLE.format(kind="created_by", key="id", table="images", chosen=chosen, sample=SAMPLE)
    if criteria.untagged:
        yield _SAMPLE.format(kind="untagged", key="image_id", table="untagged_images", chosen="true", sample=SAMPLE)
    if criteria.untagged or criteria.match_tags:
        yield _PURGED
    if len(_names(criteria)) + (criteria.tag_id is not None) + len(criteria.attributes) > 1:
        yield _PACKED.format(most=MOST_CHANGES)
    yield from _of_attributes(criteria)
    yield from (_share(each) for each in row_conditions(criteria) if not each.may_be_indexed)


def _share(wanted: RowCondition) -> str:
    return _SHARE.format(name=wanted.name, holds=wanted.holds.replace("@.", "r."), places=PLACES, rows=ROWS_EACH)


def _of_attributes(criteria: Criteria) -> Iterator[str]:
    for name, _ in pairs.named(criteria, "attributes"):
        yield _attribute(name, f"h.value = ANY (%({name}_values)s::jsonb[])", _CAN_BE_INDEXED.format(name=name))
    for name, wanted in pairs.named(criteria, "attribute_ranges"):
        yield _attribute(name, ranges.of_hidden_tags(wanted, name))


def _attribute(name: str, chosen: str, can_be_indexed: str = "true") -> str:
    return _ATTRIBUTE.format(name=name, chosen=chosen, can_be_indexed=can_be_indexed, few=FEW_TAGS, most=MOST_VALUES)


def _names(criteria: Criteria) -> list[str]:
    return [*criteria.exact_tags, *criteria.any_tags, *criteria.exclude_tags]


def _patterns(criteria: Criteria) -> Iterator[int]:
    return (number for number, pattern in enumerate(criteria.match_tags) if not ANYTHING.fullmatch(pattern))


def texts(criteria: Criteria) -> dict[str, str]:
    """What the caller wrote, for the placeholders."""
    found = {f"pattern{number}": like(criteria.match_tags[number]) for number in _patterns(criteria)}
    if criteria.created_by is not None:
        found["created_by"] = criteria.created_by
    return found | pairs.of_rows(criteria)
