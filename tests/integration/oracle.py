"""What a search must find, in plain Python: the tables read into sets, and nothing known of how the service searches.

Also the searches to ask: random ones, of which most find something.
"""

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg2
from hypothesis import strategies as st

from benchmarks import collection

OFTEN_ASKED = (
    *collection.POPULAR_TAGS,
    *collection.MODALITY_TAGS,
    *collection.DISJOINT_TAGS,
    *collection.NEARLY_DISJOINT_TAGS,
    collection.OLD_TAG,
    collection.NEW_TAG,
    *collection.MID_TAGS,
    *collection.rare_tags(10),
    *collection.rare_tags(100),
    *collection.ODD_TAGS,
    *collection.SPELLINGS,
    "no such tag",
)
ODD_PATTERNS = (
    "%",
    "%%",
    "\\%",
    "%\\%%",
    "_",
    "%_%",
    "\\",
    "%\\",
    "e%",
    "%x%",
    "%1%",
    "%no such%",
    "MODALITY:%",
    "%é%",
)


class Image(NamedTuple):
    id: int
    timestamp: int
    is_present: bool
    created_by: str
    metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]
    names: frozenset[str]


class Asked(NamedTuple):
    parameters: Mapping[str, Any]
    """Of the query, as a search takes them."""
    tag_id: int | None
    """Of the tag whose images are asked for, if any."""


class Oracle:
    def __init__(self, images: Sequence[Image], tag_ids: Mapping[str, int]) -> None:
        self.images = images
        self.tag_ids = tag_ids
        self._all = {image.id for image in images}
        self._of: dict[str, set[int]] = defaultdict(set)
        for image in images:
            for name in image.names:
                self._of[name].add(image.id)

    def finds(self, asked: Asked) -> list[int]:
        """The ids, newest first."""
        found = set(self._all)
        for condition in self._sets(asked):
            found &= condition
        conditions = list(_conditions(asked.parameters))
        if conditions:
            found = {image.id for image in self.images if image.id in found and all(met(image) for met in conditions)}
        return sorted(found, reverse=True)

    def _sets(self, asked: Asked) -> Iterator[set[int]]:
        for name in _stored(asked.parameters.get("exact_tags", ())):
            yield self._with_any([name])
        if names := _stored(asked.parameters.get("any_tags", ())):
            yield self._with_any(names)
        yield self._all - self._with_any(_stored(asked.parameters.get("exclude_tags", ())))
        for pattern in asked.parameters.get("match_tags", ()):
            meant = _regular(pattern)
            yield self._with_any(name for name in self.tag_ids if meant.fullmatch(_caseless(name)))
        if asked.parameters.get("untagged") == "true":
            yield self._all - self._with_any(self.tag_ids)
        if asked.tag_id is not None:
            yield self._with_any(name for name, tag_id in self.tag_ids.items() if tag_id == asked.tag_id)

    def _with_any(self, names: Iterable[str]) -> set[int]:
        return set().union(*(self._of.get(name, ()) for name in names))


def _conditions(parameters: Mapping[str, Any]) -> Iterator[Callable[[Image], bool]]:
    """What must hold for an image by itself."""
    if (start := parameters.get("start_timestamp")) is not None:
        yield lambda image: image.timestamp >= int(start)
    if (end := parameters.get("end_timestamp")) is not None:
        yield lambda image: image.timestamp <= int(end)
    if parameters.get("uploaded_only") == "true":
        yield lambda image: image.is_present
    if creator := parameters.get("created_by"):
        yield lambda image: image.created_by == creator
    if pairs := parameters.get("metadata"):
        yield lambda image: all(_means(text, image.metadata.get(key, ())) for key, text in pairs.items())
    if keywords := parameters.get("attributes"):
        equal = {key: text for key, text in keywords.items() if key[-1] not in "<>"}
        yield lambda image: all(any(_means(text, one) for one in _values(image, key)) for key, text in equal.items())
        for keyword in {key[:-1] for key in keywords.keys() - equal.keys()}:
            yield _within(keyword, keywords.get(f"{keyword}>"), keywords.get(f"{keyword}<"))


def _values(image: Image, keyword: str) -> Sequence[Any]:
    """Of an attribute, which may have one, several or none."""
    value = image.attributes.get(keyword, [])
    return value if isinstance(value, list) else [value]


def _within(keyword: str, least: str | None, most: str | None) -> Callable[[Image], bool]:
    def number(value: Any) -> bool:
        try:
            return bool(float(least or "-inf") <= value <= float(most or "inf"))
        except ValueError:
            return False

    def day(value: str) -> bool:
        """Some day that the date may be is within."""
        bounds = [bound for bound in (least, most) if bound is not None]
        if not all(re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", date) for date in (value, *bounds)):
            return False
        first, last = _days(value)
        return (least is None or last >= _days(least)[0]) and (most is None or first <= _days(most)[1])

    def fits(value: Any) -> bool:
        if isinstance(value, str):
            return day(value)
        return isinstance(value, int | float) and not isinstance(value, bool) and number(value)

    return lambda image: any(map(fits, _values(image, keyword)))


def _days(date: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first and the last that it may be."""
    parts = tuple(map(int, date.split("-")))
    return parts + (1, 1)[: 3 - len(parts)], parts + (12, 31)[len(parts) - 1 :]


def _means(text: str, value: Any) -> bool:
    """Whether the text is the string that is the value, or the number, boolean or null as JSON writes it."""
    if isinstance(value, str):
        return text == value
    try:
        scalar = json.loads(text)
    except ValueError:
        return False
    return isinstance(scalar, bool) == isinstance(value, bool) and bool(scalar == value)


def _stored(names: Iterable[str]) -> list[str]:
    return [unicodedata.normalize("NFC", name).strip() for name in names]


def _caseless(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _regular(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\\%|%)", _caseless(pattern))
    meant = {"%": ".*", "\\%": "%"}
    return re.compile("".join(meant.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


def read(dsn: str) -> Oracle:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, name FROM tags")
        names = dict(cursor.fetchall())
        cursor.execute("SELECT image_id, array_agg(tag_id) FROM image_tags GROUP BY image_id")
        tagged = {image_id: frozenset(names[tag_id] for tag_id in tag_ids) for image_id, tag_ids in cursor}
        cursor.execute(
            "SELECT id, floor(extract(epoch FROM created_at))::bigint, status = 'present', created_by, metadata,"
            " attributes FROM images WHERE deleted_at IS NULL ORDER BY id"
        )
        images = [Image._make([*row, tagged.get(row[0], frozenset())]) for row in cursor]
    return Oracle(images, {name: tag_id for tag_id, name in names.items()})


def a_search(oracle: Oracle) -> st.SearchStrategy[Asked]:
    """Up to five kinds of conditions. Mostly such that some image meets each of them, often the same image: else hardly
    anything would be found."""

    @st.composite
    def ask(draw: st.DrawFn) -> Asked:
        image = draw(st.sampled_from(oracle.images))
        known = st.sampled_from(sorted(image.names) or ["no such tag"])
        name = known | known | st.sampled_from(OFTEN_ASKED) | st.sampled_from(all_names)
        kinds: dict[str, st.SearchStrategy[Any]] = {
            "exact_tags": st.lists(name, min_size=1, max_size=4),
            "match_tags": st.lists(_pattern(name), min_size=1, max_size=3),
            "any_tags": st.lists(name, min_size=1, max_size=5),
            "exclude_tags": st.lists(st.sampled_from(OFTEN_ASKED) | name, min_size=1, max_size=3),
            "untagged": st.just("true"),
            "start_timestamp": _moment(image, oracle.images[0], earlier=True),
            "end_timestamp": _moment(image, oracle.images[-1], earlier=False),
            "uploaded_only": st.sampled_from(["true", "true", "false"]),
            "created_by": st.just(image.created_by) | st.sampled_from([collection.RARE_CREATOR, "nobody"]),
            "metadata": _pairs(image.metadata),
            "attributes": _attributes(image),
        }
        chosen = draw(st.lists(st.sampled_from([*kinds, "exact_tags", "match_tags"]), unique=True, max_size=5))
        tag_id = draw(st.none() | st.none() | st.none() | name.map(lambda one: oracle.tag_ids.get(one, 0)))
        return Asked({kind: draw(kinds[kind]) for kind in chosen}, tag_id)

    all_names = sorted(oracle.tag_ids)
    return ask()


def _pattern(names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Of a name: as it is, in capitals, a piece of it."""

    @st.composite
    def pattern(draw: st.DrawFn) -> str:
        name = draw(names)[:100].replace("%", "\\%")
        start, end = sorted((draw(st.integers(0, len(name))), draw(st.integers(0, len(name)))))
        piece = name[start:end]
        made = draw(
            st.sampled_from([name, f"{name[:start]}%{name[end:]}", f"%{piece}%", f"{name[:end]}%", f"%{name[start:]}"])
        )
        cased = draw(st.sampled_from([made, made.upper(), made.lower(), made.swapcase()]))
        return unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), cased)[:160]

    return pattern() | st.sampled_from(ODD_PATTERNS)


def _moment(image: Image, other: Image, *, earlier: bool) -> st.SearchStrategy[str]:
    """Mostly such that the image is within, near or far."""
    away = -1 if earlier else 1
    near = st.sampled_from([0, 0, 1, 3600, 30 * 86_400]).map(lambda seconds: image.timestamp + away * seconds)
    return (near | st.just(other.timestamp) | st.just(image.timestamp - away) | st.just(0)).map(
        lambda each: str(max(0, each))
    )


def _attributes(image: Image) -> st.SearchStrategy[Mapping[str, str]]:
    """Some that the image has, some ranges around what it has, and some that are odd."""
    ones = {key: value[0] if isinstance(value, list) else value for key, value in image.attributes.items()}
    bounds = {
        **{f"{key}{sign}": _bound(ones[key]) for key in ("Rows", "StudyDate", "PixelSpacing") for sign in "<>" if ones},
        **{f"{key}>": st.sampled_from(["512", "2020", "0"]) for key in ("Modality", "SeriesDate", "StudyInstanceUID")},
    }
    of_ranges = st.lists(st.sampled_from(sorted(bounds)), min_size=1, max_size=3, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: bounds[key] for key in keys})
    )
    odd = [{"Rows": "512.0"}, {"BodyPartExamined": collection.RARE_BODY_PART}, {"Rows": "512", "Rows>": "513"}]
    return of_ranges | st.tuples(of_ranges, _pairs(ones)).map(lambda both: {**both[0], **both[1]}) | _pairs(ones, odd)


def _bound(value: Any) -> st.SearchStrategy[str]:
    """Near the value, or far from it."""
    if isinstance(value, str):
        return st.sampled_from([value, value[:4], value[:7], "2019-02", "2021", "2018-06-30", "1"])
    return st.sampled_from([value, value - 1, value + 0.25, 1024, 2020, -1, 1e3]).map(str)


ODD_METADATA = [{"ward": collection.RARE_WARD}, {"ward": "no such"}, {"urgent": "true"}, {"dose": "0.50"}]


def _pairs(
    values: Mapping[str, Any], odd: Sequence[Mapping[str, str]] = ODD_METADATA
) -> st.SearchStrategy[Mapping[str, str]]:
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return st.sampled_from([{key: written[key]} for key in written] + [written] * bool(written) + [*odd])
