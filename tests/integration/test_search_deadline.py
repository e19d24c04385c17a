"""A search has one deadline for all of its statements: two to look up what it names, one or two for its page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from chalicelib.config import settings
from chalicelib.database import engine as product
from chalicelib.database import search
from chalicelib.database.engine import reading
from chalicelib.database.pages import Window
from chalicelib.database.search import Criteria
from chalicelib.errors import TooCostly
from tests.builders import an_image

BY_ROWS = Criteria(attributes=(("PixelSpacing", "0.5"),))
"""Of no indexed attribute: what rows hold is looked up in a statement of its own."""

PAGE = Window(limit=10, offset=0, after=None, total=False)


@pytest.fixture(autouse=True)
def an_image_with_that(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        an_image(session, attributes={"PixelSpacing": [0.5, 0.5]})


@contextmanager
def each_statement_takes(seconds: float) -> Iterator[list[int]]:
    """At least so long, within its own time limit; the limits in milliseconds."""
    limits = []

    def delay(*call: Any) -> tuple[str, Any]:
        statement, parameters = call[2], call[3]
        if limit := re.match("SET LOCAL statement_timeout = ([0-9]+); ", statement):
            limits.append(int(limit[1]))
            statement = f"{limit[0]}SELECT pg_sleep({seconds}); {statement[limit.end() :]}"
        return statement, parameters

    event.listen(product.engine(), "before_cursor_execute", delay, retval=True)
    yield limits
    event.remove(product.engine(), "before_cursor_execute", delay)


def test_the_statements_of_a_search_share_its_time() -> None:
    with each_statement_takes(0.2) as limits, reading() as session:
        assert len(search.find(session, BY_ROWS, PAGE).rows) == 1

    assert len(limits) == 3
    assert limits[0] <= settings().search_timeout_seconds * 1000
    assert all(before - after >= 150 for before, after in pairwise(limits))


def test_a_search_whose_statements_take_too_long_together_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_TIMEOUT_SECONDS", "1")
    settings.cache_clear()
    try:
        with each_statement_takes(0.4), pytest.raises(TooCostly), reading() as session:
            search.find(session, BY_ROWS, PAGE)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
