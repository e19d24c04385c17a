"""What the criteria mean in this database just now: each becomes a set of images, of a size that is estimated.

An estimate may be wrong: then a search takes longer. All else decides what it finds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from sqlalchemy.orm import Session

from chalicelib.database.search.criteria import Criteria
from chalicelib.database.search.deadline import Deadline
from chalicelib.database.search.lookup import (
    ANYTHING,
    FEW_TAGS,
    LAST_ID,
    NOTHING,
    SAMPLE,
    Found,
    look_up,
    texts,
)
from chalicelib.database.search.pairs import RowCondition, row_conditions
from chalicelib.database.tables import Status, first_id_at

FEW_IDS = 8
"""Up to here a list of tags is looked up one by one in an index; a longer one is hashed."""

SEVERAL_TAGS = 128
"""The links of up to so many tags are walked side by side as if of one; for more, planning that takes too long."""

TAGS, HIDDEN_TAGS = "image_tags", "hidden_image_tags"
"""Their links: both in the same form."""

USUALLY_UPLOADED = 0.9
USUALLY_TAGGED = 0.95
FEWEST_IMAGES = 10_000
"""How many there are taken to be as long as PostgreSQL has not counted them."""


@dataclass(frozen=True)
class Condition:
    """Images in the column `key` of those rows of `table` for which `holds` is true, with `@.` before their columns."""

    name: str
    """The parameter that asks for it."""
    table: str
    key: str
    holds: str
    images: float
    """An estimate of how many there are, between the oldest and the newest."""
    oldest: int = 0
    newest: int = LAST_ID
    ordered: bool = True
    """An index has the rows in the order of their images, and each image once; or several have, for the branches."""
    tags: int = 1
    """How many tags it stands for, seen or hidden."""
    tag_ids: str = ""
    """Those of several tags, as PostgreSQL writes an array."""
    branches: tuple[str, ...] = ()
    """Queries for `image_id`, each of which an index answers in order, and which all together find the images, if not
    each once. They end where a further condition can follow."""
    packed: bool = False
    """All of its links that are old enough are in packed_links too."""
    indexed: bool = True
    """An index finds the images, in whatever order; else each image has to be looked at."""
    excluded: bool = False
    """None of these images is wanted, instead of only these."""

    @property
    def column(self) -> str:
        """Of the images, where they are walked."""
        return "image_id" if self.branches else self.key

    @property
    def walks_images(self) -> bool:
        """Who walks it has the images' own rows at hand."""
        return self.table == "images" and not self.branches


@dataclass(frozen=True)
class Question:
    """Images from the id `first` up to and without `end` that are listed and meet all conditions."""

    listed: Condition
    """Not in the bin; each other condition implies it."""
    conditions: Sequence[Condition]
    first: int
    end: int
    texts: Mapping[str, str]
    """For the placeholders in the conditions."""
    packed_end: int = 0
    """Where packed images end; the links of those before are packed, but for the changed ones."""
    changed: int = 0
    """How many images have changed since they were packed, or may have."""
    count: int | None = None
    """The exact number of results, where it is kept."""

    def before(self, image_id: int) -> "Question":
        return replace(self, end=min(self.end, image_id))


class Impossible(NamedTuple):
    """No image meets this condition; or none does between the dates, or where the others have theirs."""

    name: str


Looked = Mapping[tuple[str, str], Found]


def resolve(session: Session, criteria: Criteria, deadline: Deadline | None = None) -> Question | Impossible:
    found = look_up(session, criteria, deadline)
    listed = _listed(found.get(("images", ""), NOTHING))
    kinds = (
        _tag_conditions(criteria, found, listed),
        _image_conditions(criteria, found, listed),
        _excluded(criteria, found),
    )
    question = Question(
        listed=listed,
        conditions=[*chain(*kinds)],
        first=0 if criteria.start_timestamp is None else first_id_at(criteria.start_timestamp),
        end=LAST_ID if criteria.end_timestamp is None else first_id_at(criteria.end_timestamp + 1),
        texts=texts(criteria),
        packed_end=found.get(("packed", ""), NOTHING).newest or 0,
        changed=found.get(("packed", ""), NOTHING).images,
        count=_kept_count(criteria, found),
    )
    return _narrowed(question)


def _narrowed(question: Question) -> Question | Impossible:
    """To the ids between which every condition has images."""
    for condition in question.conditions:
        if condition.excluded:
            continue
        first, end = max(question.first, condition.oldest), min(question.end, condition.newest + 1)
        if first >= end:
            return Impossible(condition.name)
        question = replace(question, first=first, end=end)
    return question


def _listed(images: Found) -> Condition:
    return Condition(
        name="images",
        table="images",
        key="id",
        holds="@.deleted_at IS NULL",
        images=max(images.images, FEWEST_IMAGES),
        oldest=images.oldest or 0,
        newest=images.newest or LAST_ID,
    )


def _tag_conditions(criteria: Criteria, found: Looked, listed: Condition) -> Iterator[Condition]:
    if criteria.tag_id is not None:
        yield _tag("tag_id", next((found[key] for key in found if key[0] == "tag_id"), NOTHING))
    for number, name in enumerate(criteria.exact_tags):
        yield _tag(f"exact_tags[{number}]", found.get(("tag", name), NOTHING))
    if criteria.any_tags:
        yield _any_tag("any_tags", [found[key] for name in criteria.any_tags if (key := ("tag", name)) in found])
    for number, pattern in enumerate(criteria.match_tags):
        name = f"match_tags[{number}]"
        if ANYTHING.fullmatch(pattern):
            yield _tagged(name, listed, found["purged", ""])
        else:
            yield _matched(name, _bounded(found["pattern", str(number)], listed))
    if criteria.untagged:
        yield _untagged(listed, found["untagged", ""], found["purged", ""])


def _tag(name: str, found: Found = NOTHING, links: str = TAGS) -> Condition:
    return _linked(name, found, f"@.tag_id = {found.tag_ids.strip('{}') or 0}", links)


def _any_tag(name: str, found: Sequence[Found]) -> Condition:
    used = [each for each in found if each.newest is not None]
    if len(used) == 1:
        return _tag(name, used[0])
    together = Found(
        tag_ids="{" + ",".join(each.tag_ids.strip("{}") for each in used) + "}",
        tags=len(used),
        images=sum(each.images for each in used),
        oldest=min((each.oldest for each in used if each.oldest is not None), default=None),
        newest=max((each.newest for each in used if each.newest is not None), default=None),
    )
    return _matched(name, together)


def _matched(name: str, found: Found, links: str = TAGS) -> Condition:
    if found.tags == 1:
        return _tag(name, found, links)
    column = "@.tag_id" if found.tags <= FEW_IDS else "@.tag_id + 0"
    condition = _linked(name, found, f"{column} = ANY('{found.tag_ids}'::bigint[])", links)
    branches = _links(found, links) if found.tags <= SEVERAL_TAGS else ()
    return replace(condition, ordered=bool(branches), tags=found.tags, tag_ids=found.tag_ids, branches=branches)


def _links(found: Found, links: str = TAGS) -> tuple[str, ...]:
    """A query for each tag."""
    tag_ids = found.tag_ids.strip("{}").split(",") if found.tags else ()
    return tuple(f"SELECT p.image_id FROM {links} p WHERE p.tag_id = {tag_id}" for tag_id in tag_ids)


def _bounded(found: Found, listed: Condition) -> Found:
    """For many tags the ends are not looked up: those of all images are as right."""
    if found.tags <= FEW_TAGS:
        return found
    return found._replace(oldest=listed.oldest, newest=listed.newest)


def _linked(name: str, found: Found, holds: str, links: str = TAGS) -> Condition:
    if found.oldest is None or found.newest is None:
        return Condition(name, links, "image_id", holds, images=0, oldest=1, newest=0)
    return Condition(name, links, "image_id", holds, found.images, found.oldest, found.newest, packed=found.packed)


def _tagged(name: str, listed: Condition, purged: Found) -> Condition:
    """On any tag at all; each image once, though it has many links."""
    holds = f"@.tag_id <> ALL('{purged.tag_ids}'::bigint[])"
    images = USUALLY_TAGGED * listed.images
    condition = Condition(name, "image_tags", "image_id", holds, images, listed.oldest, listed.newest)
    return replace(condition, branches=(f"SELECT DISTINCT image_id FROM image_tags WHERE {holds.replace('@.', '')}",))


def _untagged(listed: Condition, found: Found, purged: Found) -> Condition:
    """While links of deleted tags are being purged, the images that have no others are looked for among theirs; of more
    tags than can be walked side by side, among all images."""
    images, oldest, newest = _extrapolated(found, listed)
    condition = Condition("untagged", "untagged_images", "image_id", "true", images, oldest, newest)
    if not purged.tags:
        return condition
    others = f"SELECT FROM image_tags o WHERE o.tag_id <> ALL('{purged.tag_ids}'::bigint[])"
    everywhere = Condition(
        "untagged",
        table="images",
        key="id",
        holds=f"@.deleted_at IS NULL AND NOT EXISTS ({others} AND o.image_id = @.id OFFSET 0)",
        images=max(images, purged.images),
        oldest=listed.oldest,
        newest=listed.newest,
        ordered=False,
    )
    if purged.tags > SEVERAL_TAGS:
        return everywhere
    among = (f"{links} AND NOT EXISTS ({others} AND o.image_id = p.image_id OFFSET 0)" for links in _links(purged))
    branches = ("SELECT image_id FROM untagged_images WHERE true", *among)
    return replace(everywhere, ordered=True, branches=branches)


def _image_conditions(criteria: Criteria, found: Looked, listed: Condition) -> Iterator[Condition]:
    if criteria.created_by is not None:
        images, oldest, newest = _extrapolated(found["created_by", ""], listed)
        holds = "@.created_by = %(created_by)s AND @.deleted_at IS NULL"
        yield Condition("created_by", "images", "id", holds, images, oldest, newest)
    for each in row_conditions(criteria):
        if ("attribute", each.name) in found:
            yield _matched(each.parameter, _bounded(found["attribute", each.name], listed), HIDDEN_TAGS)
        else:
            yield _of_rows(each, found["share", each.name].images, listed)
    if criteria.uploaded_only:
        holds = f"@.deleted_at IS NULL AND @.status = '{Status.PRESENT}'"
        images = USUALLY_UPLOADED * listed.images
        yield Condition("uploaded_only", "images", "id", holds, images, listed.oldest, listed.newest)


def _of_rows(wanted: RowCondition, found: int, listed: Condition) -> Condition:
    """Of a thousand so many have been found."""
    holds = f"@.deleted_at IS NULL AND {wanted.holds}"
    condition = Condition(wanted.parameter, "images", "id", holds, (found + 1) / 1000 * listed.images)
    return replace(condition, oldest=listed.oldest, newest=listed.newest, ordered=False, indexed=not wanted.is_range)


def _extrapolated(newest: Found, listed: Condition) -> tuple[float, int, int]:
    """From the newest images of a list, of which there may be more: how many there are, between which ids."""
    if newest.oldest is None or newest.newest is None:
        return 0, 1, 0
    if newest.images < SAMPLE:
        return newest.images, newest.oldest, newest.newest
    density = SAMPLE / max(1, newest.newest - newest.oldest)
    return density * (newest.newest - listed.oldest), listed.oldest, newest.newest


def _excluded(criteria: Criteria, found: Looked) -> Iterator[Condition]:
    for number, name in enumerate(criteria.exclude_tags):
        tag = found.get(("tag", name), NOTHING)
        if tag.newest is not None:
            yield replace(_tag(f"exclude_tags[{number}]", tag), excluded=True)


def _kept_count(criteria: Criteria, found: Looked) -> int | None:
    """Of a single tag and nothing else."""
    if criteria == Criteria(tag_id=criteria.tag_id) or criteria == Criteria(exact_tags=criteria.exact_tags[:1]):
        counted = [each.images for (kind, _), each in found.items() if kind in ("tag", "tag_id")]
        return counted[0] if counted else None
    return None
