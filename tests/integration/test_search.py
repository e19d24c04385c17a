"""Search and paging against an oracle in plain Python, which knows nothing of SQL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from chalicelib.database import search
from chalicelib.database.pages import TOTAL_LIMIT, Window
from chalicelib.database.search import Criteria
from chalicelib.database.tables import EPOCH_MILLISECONDS, Status
from chalicelib.database.tags import fold
from tests.builders import an_image

NAMES = [
    "ct",
    "CT",
    "mr",
    "chest",
    "Chest X-ray",
    "50% dose",
    "a_b",
    "axb",
    "back\\slash",
    "quote'\"",
    "\U0001fac1",
    "\u00e9t\u00e9",
]
PATTERNS = [
    "%",
    "c%",
    "CT",
    "%t",
    "%\\%%",
    "a_b",
    "%_%",
    "\\",
    "%\\s%",
    "%'%",
    "\U0001fac1",
    "E\u0301T\u00c9",
    "%nothing%",
]
START = 1_750_000_000


@dataclass(frozen=True)
class Known:
    id: int
    names: frozenset[str]
    uploaded: bool
    binned: bool

    @property
    def timestamp(self) -> int:
        return ((self.id >> 12) + EPOCH_MILLISECONDS) // 1000


@pytest.fixture(scope="module")
def collection(engine: Engine) -> Iterator[tuple[Session, list[Known]]]:
    """150 images in 50 seconds, whose tags, states and times follow from their number."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session, [_make(session, number) for number in range(150)]
        outer.rollback()


def _make(session: Session, number: int) -> Known:
    names = frozenset(name for index, name in enumerate(NAMES) if number % (index + 2) == 0)
    uploaded, binned = number % 4 != 0, number % 11 == 0
    milliseconds = START * 1000 + number * 333 - EPOCH_MILLISECONDS
    image = an_image(session, [] if binned else names, id=(milliseconds << 12) + number)
    if uploaded:
        image.status, image.uploaded_at = Status.PRESENT, image.created_at
    if binned:
        image.deleted_at = image.created_at
    session.flush()
    return Known(image.id, names, uploaded, binned)


def expected(known: list[Known], criteria: Criteria) -> list[int]:
    def fits(image: Known) -> bool:
        return (
            not image.binned
            and image.names.issuperset(criteria.exact_tags)
            and all(any(_matches(pattern, name) for name in image.names) for pattern in criteria.match_tags)
            and (criteria.start_timestamp is None or image.timestamp >= criteria.start_timestamp)
            and (criteria.end_timestamp is None or image.timestamp <= criteria.end_timestamp)
            and (image.uploaded or not criteria.uploaded_only)
        )

    return sorted((image.id for image in known if fits(image)), reverse=True)


def _matches(pattern: str, name: str) -> bool:
    pieces = re.split(r"(\\%|%)", fold(pattern))
    meaning = {"%": ".*", "\\%": "%"}
    return (
        re.fullmatch("".join(meaning.get(piece, re.escape(piece)) for piece in pieces), fold(name), re.DOTALL)
        is not None
    )


CRITERIA = st.builds(
    Criteria,
    exact_tags=st.lists(st.sampled_from([*NAMES, "unknown"]), max_size=3).map(tuple),
    match_tags=st.lists(st.sampled_from(PATTERNS), max_size=3).map(tuple),
    start_timestamp=st.none() | st.integers(START - 2, START + 52),
    end_timestamp=st.none() | st.integers(START - 2, START + 52),
    uploaded_only=st.booleans(),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(criteria=CRITERIA, limit=st.integers(1, 100))
def test_a_search_finds_what_plain_python_finds_by_every_way_of_paging(
    collection: tuple[Session, list[Known]], criteria: Criteria, limit: int
) -> None:
    session, known = collection
    wanted = expected(known, criteria)

    by_cursor: list[int] = []
    by_offset: list[int] = []
    after, more = None, True
    while more:
        page = search.find(session, criteria, Window(limit, after=after))
        assert page.total == len(wanted)
        by_cursor += [image.id for image in page.rows]
        after, more = by_cursor[-1] if by_cursor else None, page.has_more
    more = True
    while more:
        page = search.find(session, criteria, Window(limit, offset=len(by_offset), total=False))
        assert page.total is None
        by_offset += [image.id for image in page.rows]
        more = page.has_more

    assert by_cursor == wanted
    assert by_offset == wanted


def test_a_page_takes_the_same_few_statements_however_many_images_it_shows(session: Session) -> None:
    def statements(limit: int) -> int:
        session.expire_all()
        seen: list[str] = []
        listen = lambda *details: seen.append(details[2])  # noqa: E731
        event.listen(session.connection(), "before_cursor_execute", listen)
        page = search.find(session, Criteria(), Window(limit))
        assert len(page.rows) == limit
        assert all(tag.name for image in page.rows for tag in image.tags)
        event.remove(session.connection(), "before_cursor_execute", listen)
        return len(seen)

    for number in range(30):
        an_image(session, ["on every page", f"page {number}"])

    assert statements(2) <= 3
    assert statements(30) <= 3


def test_a_total_is_counted_no_further_than_its_limit(session: Session) -> None:
    template = an_image(session)
    session.connection().exec_driver_sql(
        "INSERT INTO images (created_by, status, filename, content_type, size, object_key, metadata, attributes)"
        f" SELECT created_by, status, filename, content_type, size, 'key ' || n, metadata, attributes"
        f" FROM images, generate_series(1, {TOTAL_LIMIT + 5}) AS n WHERE id = {template.id}"
    )

    page = search.find(session, Criteria(), Window(1))

    assert (page.total, page.total_is_exact) == (TOTAL_LIMIT, False)
