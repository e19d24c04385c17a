"""Whatever is asked finds what plain Python finds, however it is paged; also when all that is known of sizes is wrong.

The oracle reads the tables into sets and knows nothing of how the service searches them. By default it judges a few
hundred random searches of 20,000 images. For more, and in a database that benchmarks/collection.py has filled:

    SEARCHES=1000 SEARCH_DATABASE=postgresql://… make test ARGS=tests/integration/test_search_oracle.py
"""

import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import collection
from chalicelib.database import search
from chalicelib.database.engine import engine, reading
from chalicelib.database.images import FoundImage
from chalicelib.database.pages import Page
from chalicelib.routes.shapes.base import MAX_LIMIT, MAX_OFFSET, PageMeta, sealed
from chalicelib.routes.shapes.search import SearchQuery
from tests.integration.conftest import create_database, for_psycopg2, used_by_the_product

SEARCHES = int(os.environ.get("SEARCHES", "100"))
PAGES_A_WALK = 60
"""So many or fewer, if a limit of 100 allows. Of a list of more than four times as many only the beginning, some of the
middle, and the end are walked."""

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
        yield lambda image: all(_means(text, image.attributes.get(key, ())) for key, text in keywords.items())


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


@pytest.fixture(scope="module")
def oracle(grown_database: str) -> Oracle:
    with closing(psycopg2.connect(for_psycopg2(grown_database))) as connection, connection.cursor() as cursor:
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
            "attributes": _pairs(image.attributes),
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


def _pairs(values: Mapping[str, Any]) -> st.SearchStrategy[Mapping[str, str]]:
    odd = [{"ward": collection.RARE_WARD}, {"ward": "no such"}, {"urgent": "true"}, {"dose": "0.50"}, {"Rows": "512.0"}]
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return st.sampled_from([{key: written[key]} for key in written] + [written] * bool(written) + odd)


@settings(max_examples=SEARCHES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_a_search_finds_what_plain_python_finds_by_every_way_of_paging(
    grown: None, oracle: Oracle, data: st.DataObject
) -> None:
    _judge(oracle, data)


@pytest.fixture(scope="module")
def misjudged(grown_database: str) -> Iterator[None]:
    """The product uses a copy of it in which every size that PostgreSQL and the service believe is wrong, by orders of
    magnitude."""
    engine().dispose()  # a database in use is no template
    url = create_database(grown_database, "misjudged", template=grown_database.rsplit("/", 1)[1])
    with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tags SET image_count = (image_count * 10 ^ (6 * random() - 3))::bigint WHERE random() < 0.7;
            UPDATE tags SET image_count = 10 ^ (8 * random()) WHERE random() < 0.2;
            INSERT INTO tag_count_changes SELECT id, 10 ^ (5 * random()) FROM tags WHERE random() < 0.2;
            UPDATE pg_class SET reltuples = 10 ^ (9 * random()), relpages = 10 ^ (4 * random()), relallvisible = 0
                WHERE relname IN ('images', 'tags', 'image_tags', 'untagged_images');
            DELETE FROM pg_statistic WHERE starelid = 'image_tags'::regclass;
            UPDATE pg_statistic SET stadistinct = 1, stanullfrac = 0.99
                WHERE starelid IN ('images'::regclass, 'tags'::regclass);
            """
        )
    with used_by_the_product(url):
        yield


@settings(max_examples=SEARCHES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_wrong_statistics_change_nothing_of_what_is_found(misjudged: None, oracle: Oracle, data: st.DataObject) -> None:
    _judge(oracle, data, counts_are_right=False)


def _judge(oracle: Oracle, data: st.DataObject, *, counts_are_right: bool = True) -> None:
    asked = data.draw(a_search(oracle), "asked")
    expected = oracle.finds(asked)
    limit = max(data.draw(st.integers(1, MAX_LIMIT), "limit"), min(MAX_LIMIT, len(expected) // PAGES_A_WALK))

    way = data.draw(st.sampled_from(["page", "offset"]), "way")
    _walk_by_number(asked, expected, limit, way)
    for start in _starts(len(expected), limit):
        _walk_by_cursor(asked, expected, limit, start)
    if counts_are_right or not _is_one_tag(asked):
        _count(asked, expected, limit)


def _starts(length: int, limit: int) -> list[int]:
    """Of the walks by cursor: where in the list the first page begins."""
    if length <= 4 * PAGES_A_WALK * limit:
        return [0]
    return [0, length // 2, length - PAGES_A_WALK * limit]


def _walk_by_cursor(asked: Asked, expected: list[int], limit: int, start: int) -> None:
    """Each page's cursor leads to the next, until there are no more; or far enough, in a long list."""
    cursor = {"cursor": sealed(expected[start - 1])} if start else {}
    is_long = len(expected) > 4 * PAGES_A_WALK * limit
    for position in range(start, max(1, len(expected)), limit):
        page, meta = _find(asked, limit, total="false", **cursor)
        _compare(page, expected, position, limit)
        if position > start + PAGES_A_WALK * limit and is_long:
            return
        cursor = {"cursor": meta.next_cursor or ""}
    assert meta.next_cursor is None


def _walk_by_number(asked: Asked, expected: list[int], limit: int, way: str) -> None:
    for number, position in enumerate(range(0, max(1, min(len(expected), MAX_OFFSET)), limit)):
        page, _ = _find(asked, limit, total="false", **{way: str(number if way == "page" else position)})
        _compare(page, expected, position, limit)


def _compare(page: Page[FoundImage], expected: list[int], position: int, limit: int) -> None:
    assert [image.id for image in page.rows] == expected[position : position + limit]
    assert page.has_more == (len(expected) > position + limit)


def _count(asked: Asked, expected: list[int], limit: int) -> None:
    """One that took too long may be less, if it says so."""
    _, meta = _find(asked, limit)
    assert meta.total_results is not None
    if meta.total_relation == "eq":
        assert meta.total_results == len(expected)
    else:
        assert min(limit, len(expected)) <= meta.total_results <= len(expected)


def _is_one_tag(asked: Asked) -> bool:
    """Then the count is the one that is kept, and wrong if that one is."""
    others = set(asked.parameters) - {"exact_tags", "exclude_tags", "uploaded_only"}
    return not others and len(asked.parameters.get("exact_tags", ())) + (asked.tag_id is not None) > 0


def _find(asked: Asked, limit: int, **paging: str) -> tuple[Page[FoundImage], PageMeta]:
    query = SearchQuery.model_validate({**asked.parameters, "limit": str(limit), **paging})
    with reading() as session:
        page = search.find(session, query.criteria(asked.tag_id), query.window(int))
    return page, PageMeta.of(query, page, page.rows[-1].id if page.has_more else None)
