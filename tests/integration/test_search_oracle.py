"""Whatever is asked finds what plain Python finds, however it is paged, by whatever form; also when all that is known
of sizes is wrong.

By default a few hundred random searches of 20,000 images are judged. For more, and in a database that
benchmarks/collection.py has filled:

    SEARCHES=1000 SEARCH_DATABASE=postgresql://… make test ARGS=tests/integration/test_search_oracle.py
"""

import os
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.database import search
from chalicelib.database.engine import engine, reading
from chalicelib.database.images import FoundImage
from chalicelib.database.pages import Page
from chalicelib.database.search import forms, plan
from chalicelib.database.search.conditions import Impossible, resolve
from chalicelib.routes.shapes.base import MAX_LIMIT, MAX_OFFSET, PageMeta, sealed
from chalicelib.routes.shapes.search import SearchQuery
from tests.integration.conftest import create_database, for_psycopg2, used_by_the_product
from tests.integration.oracle import Asked, Oracle, a_search, read

SEARCHES = int(os.environ.get("SEARCHES", "100"))
PAGES_A_WALK = 60
"""So many or fewer, if a limit of 100 allows. Of a list of more than four times as many only the beginning, some of the
middle, and the end are walked."""


@pytest.fixture(scope="module")
def oracle(grown_database: str) -> Oracle:
    return read(for_psycopg2(grown_database))


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
            UPDATE hidden_tags SET image_count = 10 ^ (8 * random()) WHERE random() < 0.5;
            UPDATE indexed_attributes SET removed_at = now() WHERE keyword IN ('StudyDate', 'Modality');
            UPDATE pg_class SET reltuples = 10 ^ (9 * random()), relpages = 10 ^ (4 * random()), relallvisible = 0
                WHERE relname IN ('images', 'tags', 'image_tags', 'untagged_images');
            DELETE FROM pg_statistic WHERE starelid IN ('image_tags'::regclass, 'hidden_image_tags'::regclass);
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


@settings(max_examples=SEARCHES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_every_form_that_could_answer_finds_the_same(grown: None, oracle: Oracle, data: st.DataObject) -> None:
    asked = data.draw(a_search(oracle), "asked")
    expected = oracle.finds(asked)
    criteria = SearchQuery.model_validate(asked.parameters).criteria(asked.tag_id)
    limit, offset = data.draw(st.integers(1, 101), "limit"), data.draw(st.integers(0, max(0, len(expected))), "offset")

    with reading() as session:
        question = resolve(session, criteria)
        if isinstance(question, Impossible):
            assert expected == []
            return
        for candidate in plan.candidates(question, limit + offset):
            sql = forms.settings(candidate) + forms.ids(candidate, question, limit, offset)
            found = session.connection().exec_driver_sql(sql, dict(question.texts)).scalars().all()
            assert found == expected[offset : offset + limit], candidate.reason
