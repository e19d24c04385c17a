"""The classes of searches that are measured: each asks with ever other members of what the collection holds."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import collection
from chalicelib.database.pages import Window
from chalicelib.database.search import AttributeRange, Criteria
from chalicelib.database.tables import created_timestamp

LIMIT = 100
FIRST_PAGE = Window(LIMIT, total=False)
MONTH = 30 * 86_400


class Pick:
    """Random members of what the collection holds."""

    def __init__(self, random: Random, images: int, ids: tuple[int, int]) -> None:
        self.random = random
        self._images = images
        self._oldest, self._newest = ids
        self._rare = [tag for size in collection.rare_sizes(images) for tag in collection.rare_tags(size)]
        self._families = collection.family_sizes(images)

    def popular(self, number: int = 1) -> tuple[str, ...]:
        pool = (*collection.POPULAR_TAGS, self.random.choice(collection.MODALITY_TAGS))
        return tuple(self.random.sample(pool, number))

    def disjoint(self) -> tuple[str, ...]:
        return self.random.choice([collection.DISJOINT_TAGS, tuple(self.random.sample(collection.MODALITY_TAGS, 2))])

    def mid(self, number: int = 1) -> tuple[str, ...]:
        return tuple(self.random.sample(collection.MID_TAGS, number))

    def rare(self, number: int = 1) -> tuple[str, ...]:
        return tuple(self.random.sample(self._rare, number))

    def prefix(self, tags: int) -> str:
        """Of a family, or of a slice of the largest one, that has so many tags or all that there are."""
        largest = self._families[-1]
        fixed = len(str(largest)) - len(str(min(tags, largest)))
        if fixed == 0 or self.random.random() < 0.5:
            return collection.prefix_pattern(min(tags, largest))
        number = f"{self.random.randrange(10**fixed):0{fixed}}".rjust(6 - len(str(min(tags, largest))), "0")
        return collection.prefix_pattern(largest).replace("%", f"{number}%")

    def infix(self, tags: int) -> str:
        return self.random.choice(
            [collection.infix_pattern(min(tags, self._families[-1])), "%" + self.prefix(tags).removeprefix("fam")]
        )

    def broad(self, number: int = 1) -> tuple[str, ...]:
        """Patterns of many tags, on a tenth or a fifth of the images each."""
        parts = [f"{part}%" for part in collection.BODY_PARTS]
        return tuple(self.random.sample([*parts, *(f"%{finding}%" for finding in collection.FINDINGS)], number))

    def creator(self) -> str:
        return self.random.choice(collection.CREATORS[:5])

    def ward(self) -> tuple[tuple[str, str], ...]:
        return (("ward", self.random.choice(collection.WARDS[:5])),)

    def attribute(self) -> tuple[tuple[str, str], ...]:
        """On a tenth to half of the images."""
        popular = [("Modality", value) for value in collection.MODALITIES[:3]]
        popular += [("BodyPartExamined", value) for value in collection.BODY_PARTS_EXAMINED[:3]]
        return (self.random.choice([*popular, ("Rows", "512"), ("Rows", "256")]),)

    def rare_attribute(self) -> tuple[tuple[str, str], ...]:
        study = f"{self.random.randrange(self._images // (collection.IMAGES_A_STUDY * 3 // 2)):032x}"
        rare = [("BodyPartExamined", collection.RARE_BODY_PART), ("Modality", collection.MODALITIES[-1])]
        return (self.random.choice([*rare, ("StudyInstanceUID", study), ("StudyInstanceUID", study)]),)

    def unindexed(self) -> tuple[tuple[str, str], ...]:
        return (("ImageType", self.random.choice(["ORIGINAL", "DERIVED"])),)

    def rows(self) -> tuple[AttributeRange, ...]:
        """Few values: on a tenth of the images, or nine tenths."""
        return (self.random.choice([AttributeRange("Rows", "2048", None), AttributeRange("Rows", None, "1024")]),)

    def dates(self, days: int) -> tuple[AttributeRange, ...]:
        """A value each day; of ten years."""
        first = collection.FIRST_STUDY_DAY + timedelta(self.random.randrange(collection.STUDY_DAYS - days))
        return (AttributeRange("StudyDate", str(first), str(first + timedelta(days))),)

    def image_id(self) -> int:
        return self.random.randint(self._oldest, self._newest)

    def month(self) -> tuple[int, int]:
        start = self.random.randint(created_timestamp(self._oldest), created_timestamp(self._newest) - MONTH)
        return start, start + MONTH


@dataclass(frozen=True)
class Search:
    criteria: Criteria
    window: Window = FIRST_PAGE


Ask = Callable[[Pick], Criteria]
Maker = Callable[[Pick], Search]

MAIN: dict[str, Ask] = {
    "browse": lambda _: Criteria(),
    "one popular tag": lambda pick: Criteria(pick.popular()),
    "popular ∧ popular": lambda pick: Criteria(pick.popular(2)),
    "popular ∧ mid": lambda pick: Criteria(pick.popular() + pick.mid()),
    "popular ∧ rare": lambda pick: Criteria(pick.popular() + pick.rare()),
    "rare ∧ rare": lambda pick: Criteria(pick.rare(2)),
    "disjoint popular": lambda pick: Criteria(pick.disjoint()),
    "3 tags": lambda pick: Criteria(pick.popular(3)),
    "100-tag prefix": lambda pick: Criteria(match_tags=(pick.prefix(100),)),
    "broad pattern": lambda pick: Criteria(match_tags=pick.broad()),
    "untagged": lambda _: Criteria(untagged=True),
}
"""Also asked for a month, and for uploaded images only."""

FURTHER: dict[str, Ask] = {
    "one mid tag": lambda pick: Criteria(pick.mid()),
    "one rare tag": lambda pick: Criteria(pick.rare()),
    "mid ∧ mid": lambda pick: Criteria(pick.mid(2)),
    "mid ∧ rare": lambda pick: Criteria(pick.mid() + pick.rare()),
    "nearly disjoint popular": lambda _: Criteria(collection.NEARLY_DISJOINT_TAGS),
    "old-only ∧ popular": lambda pick: Criteria((collection.OLD_TAG, *pick.popular())),
    "new-only ∧ popular": lambda pick: Criteria((collection.NEW_TAG, *pick.popular())),
    "old-only ∧ new-only": lambda _: Criteria((collection.OLD_TAG, collection.NEW_TAG)),
    "4 tags": lambda pick: Criteria(pick.popular(4)),
    "2 popular ∧ 2 mid": lambda pick: Criteria(pick.popular(2) + pick.mid(2)),
    "2 patterns": lambda pick: Criteria(match_tags=(pick.prefix(100), pick.infix(1000))),
    "2 broad patterns": lambda pick: Criteria(match_tags=pick.broad(2)),
    "3 broad patterns": lambda pick: Criteria(match_tags=pick.broad(3)),
    "tag + pattern": lambda pick: Criteria(pick.popular(), match_tags=(pick.prefix(1000),)),
    "rare tag + broad pattern": lambda pick: Criteria(pick.rare(), match_tags=pick.broad()),
    "tag + pattern + any": lambda pick: Criteria(pick.popular(), (pick.prefix(1000),), any_tags=pick.popular(3)),
    "any of 3 popular": lambda pick: Criteria(any_tags=pick.popular(3)),
    "any of 5 rare": lambda pick: Criteria(any_tags=pick.rare(5)),
    "popular + any of 5 rare": lambda pick: Criteria(pick.popular(), any_tags=pick.rare(5)),
    "popular without popular": lambda pick: _one_without_the_other(*pick.popular(2)),
    "rare without popular": lambda pick: Criteria(pick.rare(), exclude_tags=pick.popular()),
    "browse without popular": lambda pick: Criteria(exclude_tags=pick.popular()),
    "browse without 5 popular": lambda pick: Criteria(exclude_tags=pick.popular(5)),
    "popular without any modality": lambda pick: Criteria(pick.popular(), exclude_tags=collection.MODALITY_TAGS),
    "popular creator": lambda pick: Criteria(created_by=pick.creator()),
    "rare creator": lambda _: Criteria(created_by=collection.RARE_CREATOR),
    "popular creator ∧ tag": lambda pick: Criteria(pick.popular(), created_by=pick.creator()),
    "rare creator ∧ tag": lambda pick: Criteria(pick.popular(), created_by=collection.RARE_CREATOR),
    "popular metadata": lambda pick: Criteria(metadata=pick.ward()),
    "rare metadata": lambda _: Criteria(metadata=(("ward", collection.RARE_WARD),)),
    "popular metadata ∧ tag": lambda pick: Criteria(pick.popular(), metadata=pick.ward()),
    "rare metadata ∧ tag": lambda pick: Criteria(pick.popular(), metadata=(("ward", collection.RARE_WARD),)),
}

ATTRIBUTES: dict[str, Ask] = {
    "popular attribute": lambda pick: Criteria(attributes=pick.attribute()),
    "rare attribute": lambda pick: Criteria(attributes=pick.rare_attribute()),
    "popular attribute ∧ popular": lambda pick: Criteria(pick.popular(), attributes=pick.attribute()),
    "popular attribute ∧ rare": lambda pick: Criteria(pick.rare(), attributes=pick.attribute()),
    "rare attribute ∧ popular": lambda pick: Criteria(pick.popular(), attributes=pick.rare_attribute()),
    "2 attributes": lambda pick: Criteria(attributes=tuple({*pick.attribute(), *pick.attribute()})),
    "2 attributes ∧ 2 popular": lambda pick: Criteria(pick.popular(2), attributes=pick.attribute() + pick.attribute()),
    "disjoint attribute ∧ tag": lambda _: Criteria(
        collection.DISJOINT_TAGS[:1], attributes=(("Manufacturer", collection.DISJOINT_MANUFACTURER),)
    ),
    "range of few values": lambda pick: Criteria(attribute_ranges=pick.rows()),
    "range of few values ∧ popular": lambda pick: Criteria(pick.popular(), attribute_ranges=pick.rows()),
    "range of few values ∧ rare": lambda pick: Criteria(pick.rare(), attribute_ranges=pick.rows()),
    "month of dates": lambda pick: Criteria(attribute_ranges=pick.dates(30)),
    "year of dates": lambda pick: Criteria(attribute_ranges=pick.dates(365)),
    "month of dates ∧ popular": lambda pick: Criteria(pick.popular(), attribute_ranges=pick.dates(30)),
    "year of dates ∧ popular": lambda pick: Criteria(pick.popular(), attribute_ranges=pick.dates(365)),
    "5 years of dates ∧ popular": lambda pick: Criteria(pick.popular(), attribute_ranges=pick.dates(1825)),
    "2 ranges": lambda pick: Criteria(attribute_ranges=pick.rows() + pick.dates(365)),
    "attribute ∧ range ∧ popular": lambda pick: Criteria(
        pick.popular(), attributes=pick.attribute(), attribute_ranges=pick.dates(365)
    ),
    "attribute ∧ metadata": lambda pick: Criteria(metadata=pick.ward(), attributes=pick.attribute()),
    "attribute without popular": lambda pick: Criteria(exclude_tags=pick.popular(), attributes=pick.attribute()),
    "attribute that is not indexed": lambda pick: Criteria(attributes=pick.unindexed()),
    "the same ∧ popular": lambda pick: Criteria(pick.popular(), attributes=pick.unindexed()),
}
"""Also asked for a month, and for uploaded images only: the first six."""

DEEP = ("browse", "one popular tag", "popular ∧ popular")
"""Of the main ones, also from the middle on."""


MOST_FLOORS = 3
NEAR_THE_FLOOR = (
    *("one popular tag", "one mid tag", "one rare tag", "popular ∧ popular", "popular ∧ rare", "rare ∧ rare"),
    *("old-only ∧ popular", "3 tags", "4 tags", "browse", "browse, from anywhere on"),
    *("popular attribute", "rare attribute", "popular attribute ∧ popular", "popular attribute ∧ rare"),
    *("rare attribute ∧ popular", "2 attributes"),
)
"""Their p50 shall be within so many times the floor's."""


def most_milliseconds(name: str) -> int:
    """What the p95 of a class shall be within, at ten million images."""
    if "disjoint" in name:
        return 100
    return 150 if "patterns" in name or "tag + pattern" in name else 50


def _one_without_the_other(wanted: str, unwanted: str) -> Criteria:
    return Criteria((wanted,), exclude_tags=(unwanted,))


def classes(images: int) -> dict[str, Maker]:
    made = {name: _first_page(make) for name, make in _everything(images).items()}
    for name, make in [*MAIN.items(), *list(ATTRIBUTES.items())[:6]]:
        made[f"{name}, a month"] = _of_a_month(make)
        made[f"{name}, uploaded"] = _of_uploaded(make)
    for name in DEEP:
        made[f"{name}, from anywhere on"] = _from_anywhere(MAIN[name])
        made[f"{name}, offset 10,000"] = _offset(MAIN[name])
    return made


def _everything(images: int) -> dict[str, Ask]:
    return MAIN | FURTHER | ATTRIBUTES | _by_number_of_tags(images)


def _by_number_of_tags(images: int) -> dict[str, Ask]:
    made = {}
    for tags in collection.family_sizes(images):
        made[f"{tags:,}-tag prefix"] = _prefix(tags)
        made[f"{tags:,}-tag infix"] = _infix(tags)
    return made


def _prefix(tags: int) -> Ask:
    return lambda pick: Criteria(match_tags=(pick.prefix(tags),))


def _infix(tags: int) -> Ask:
    return lambda pick: Criteria(match_tags=(pick.infix(tags),))


def _first_page(make: Ask) -> Maker:
    return lambda pick: Search(make(pick))


def _of_a_month(make: Ask) -> Maker:
    def search(pick: Pick) -> Search:
        start, end = pick.month()
        return Search(replace(make(pick), start_timestamp=start, end_timestamp=end))

    return search


def _of_uploaded(make: Ask) -> Maker:
    return lambda pick: Search(replace(make(pick), uploaded_only=True))


def _from_anywhere(make: Ask) -> Maker:
    return lambda pick: Search(make(pick), Window(LIMIT, after=pick.image_id(), total=False))


def _offset(make: Ask) -> Maker:
    return lambda pick: Search(make(pick), Window(LIMIT, offset=10_000, total=False))
