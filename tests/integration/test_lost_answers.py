"""The database has made a change, and its answer to COMMIT is lost: what callers read, and what a repetition does."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.orm import Session

from tests.conftest import LambdaContext, eventually
from tests.integration.conftest import used_by_the_product
from tests.integration.severed import Line
from tests.integration.test_middleware import event

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    with Line(make_url(database)).open() as line:
        yield line


@pytest.fixture
def register(line: Line, committed: Engine) -> Iterator[Call]:
    """Registers an image with this tag, over the line."""
    for module in [name for name in sys.modules if name == "app" or name.startswith("chalicelib.routes")]:
        del sys.modules[module]
    from app import app  # noqa: PLC0415 (its settings exist only now)

    def register(tag: str, key: str | None = None) -> dict[str, Any]:
        asked = event("POST", "/images", {"filename": "a.dcm", "size": 4, "tags": [tag]})
        asked["headers"] |= {"Idempotency-Key": key} if key else {}
        answer: dict[str, Any] = app(asked, LambdaContext())
        return answer | {"body": json.loads(answer["body"])}

    with used_by_the_product(line.url.render_as_string(hide_password=False)):
        yield register
    with committed.begin() as connection:
        connection.exec_driver_sql("DELETE FROM first_answers WHERE key = 'lost-answer'")


def images(engine: Engine, tag: str) -> list[int]:
    found = "SELECT image_id FROM image_tags JOIN tags ON tags.id = tag_id WHERE name = :tag ORDER BY image_id"
    with Session(engine) as session:
        return list(session.scalars(text(found), {"tag": tag}))


def lose_the_answer(line: Line, register: Call, engine: Engine, tag: str, key: str | None = None) -> dict[str, Any]:
    line.breaks.set()
    answer = register(tag, key)
    assert line.broken == 1
    eventually(lambda: images(engine, tag), of="the change of the lost answer")
    return answer


def test_a_change_whose_answer_was_lost_is_made_though_the_caller_gets_a_503(
    line: Line, register: Call, committed: Engine
) -> None:
    answer = lose_the_answer(line, register, committed, "lost")

    assert answer["statusCode"] == 503
    assert answer["body"]["type"].endswith("/unavailable")
    assert "may have been made" in answer["body"]["detail"]
    assert len(images(committed, "lost")) == 1


def test_sent_again_without_a_key_it_is_made_twice(line: Line, register: Call, committed: Engine) -> None:
    lose_the_answer(line, register, committed, "twice")

    assert register("twice")["statusCode"] == 201
    assert len(images(committed, "twice")) == 2


def test_sent_again_with_its_key_it_is_made_once_and_answered(line: Line, register: Call, committed: Engine) -> None:
    assert lose_the_answer(line, register, committed, "once", key="lost-answer")["statusCode"] == 503

    answer = register("once", key="lost-answer")

    assert answer["statusCode"] == 201
    assert images(committed, "once") == [answer["body"]["id"]]
