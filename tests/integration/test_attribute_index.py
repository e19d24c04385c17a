"""The index of attributes: filled in the background, kept by triggers; and ranges, with the index and without."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from chalicelib import telemetry
from chalicelib.config import settings
from chalicelib.database import attributes, packing, search
from chalicelib.database.pages import Window
from chalicelib.database.search import AttributeRange, Criteria, conditions, forms
from chalicelib.database.search.conditions import Question
from chalicelib.database.search.plan import Form, candidates
from chalicelib.database.tables import (
    EPOCH_MILLISECONDS,
    HiddenTag,
    Image,
    attribute_failures,
    changed_images,
    hidden_image_tags,
    indexed_attributes,
    packed_tags,
)
from chalicelib.events import housekeeping, indexing
from chalicelib.services import images
from tests.builders import EDITOR, an_image

OLD = (1_700_000_000 * 1000 - EPOCH_MILLISECONDS + 10**10) << 12
"""The first id of a time long ago."""


@pytest.fixture(autouse=True)
def _index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of Modality and Rows."""
    _want(monkeypatch, "Modality,Rows")
    monkeypatch.setattr(indexing, "QUIET_SECONDS", 0)
    yield
    settings.cache_clear()


def _want(monkeypatch: pytest.MonkeyPatch, keywords: str) -> None:
    monkeypatch.setenv("INDEXED_ATTRIBUTES", keywords)
    settings.cache_clear()


def with_attributes(engine: Engine, *each: dict[str, Any]) -> list[int]:
    with Session(engine) as session, session.begin():
        return [an_image(session, attributes=one).id for one in each]


def set_attributes(session: Session, image_id: int, **given: Any) -> None:
    session.execute(update(Image).where(Image.id == image_id).values(attributes=given))


def found(engine: Engine, criteria: Criteria) -> list[int]:
    """Oldest first."""
    with Session(engine) as session:
        return [image.id for image in search.find(session, criteria, Window(100)).rows][::-1]


def having(engine: Engine, **equal: str) -> list[int]:
    return found(engine, Criteria(attributes=tuple(equal.items())))


def indexed(engine: Engine) -> set[tuple[int, str, Any]]:
    links = select(hidden_image_tags.c.image_id, HiddenTag.keyword, HiddenTag.value).join(
        HiddenTag, HiddenTag.id == hidden_image_tags.c.tag_id
    )
    with Session(engine) as session:
        return {(image_id, keyword, value) for image_id, keyword, value in session.execute(links)}


def positions(engine: Engine) -> dict[str, int]:
    """Where each keyword's backfill is; 0: at its end."""
    with Session(engine) as session:
        rows = session.execute(select(indexed_attributes.c.keyword, indexed_attributes.c.position))
        return {keyword: position for keyword, position in rows}  # noqa: C416 (a row is no pair to mypy)


def test_images_from_before_are_indexed_in_the_background_each_value_once(committed: Engine) -> None:
    ct, mr, other = with_attributes(
        committed, {"Modality": "CT", "Rows": 512}, {"Modality": ["MR", "MR", "SR"], "Rows": 512.0}, {"Columns": 5}
    )
    assert indexed(committed) == set()

    housekeeping.tidy()

    assert positions(committed) == {"Modality": 0, "Rows": 0}
    assert indexed(committed) == {
        *((ct, "Modality", "CT"), (mr, "Modality", "MR"), (mr, "Modality", "SR"), (ct, "Rows", 512), (mr, "Rows", 512))
    }
    assert having(committed, Modality="SR") == having(committed, Modality="MR") == [mr]
    assert having(committed, Rows="512") == having(committed, Rows="5.12e2") == [ct, mr]
    assert having(committed, Columns="5") == [other]
    assert having(committed, Modality="no such") == []


def test_whatever_changes_is_found_by_its_new_attributes_at_once(committed: Engine) -> None:
    housekeeping.tidy()
    (image_id,) = with_attributes(committed, {"Modality": "CT"})
    assert having(committed, Modality="CT") == [image_id]

    with Session(committed) as session, session.begin():
        set_attributes(session, image_id, Modality="MR", Rows=7)
    assert (having(committed, Modality="CT"), having(committed, Modality="MR", Rows="7")) == ([], [image_id])
    with Session(committed) as session, session.begin():
        images.delete(session, EDITOR, image_id)
    assert having(committed, Modality="MR") == []
    assert indexed(committed) == set()
    with Session(committed) as session, session.begin():
        images.restore(session, EDITOR, image_id)
    assert having(committed, Modality="MR") == [image_id]


def test_a_backfill_goes_on_where_it_stopped_and_searches_are_right_meanwhile(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "IMAGES_A_CHUNK", 3)
    ids = with_attributes(committed, *({"Modality": "CT", "Rows": number} for number in range(10)))
    with Session(committed) as session, session.begin():
        attributes.settle(session, ["Modality", "Rows"])
    with Session(committed) as session, session.begin():
        attributes.let_begin(session)

    for done in (3, 6, 9):
        with Session(committed) as session, session.begin():
            backfill = attributes.next_backfill(session)
            assert backfill is not None
            assert attributes.fill_in(session, backfill, 3).images == 3
        assert {image_id for image_id, _, _ in indexed(committed)} == set(ids[-done:])
        assert having(committed, Modality="CT") == ids
    housekeeping.tidy()

    assert positions(committed) == {"Modality": 0, "Rows": 0}
    assert having(committed, Modality="CT") == ids


def test_a_backfill_tells_how_far_it_is_and_what_failed(
    committed: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(
        telemetry.logger, "info", lambda message, **fields: lines.append({"message": message, **fields})
    )
    with_attributes(committed, {"Modality": "x" * 1000}, {"Modality": [["CT"]]}, {"Rows": 1})

    housekeeping.tidy()

    (line,) = [line for line in lines if line["message"] == "attributes indexed"]
    assert (line["images"], line["done"], line["failures"]) == ({"Modality": 3, "Rows": 3}, 1.0, 2)
    assert '"ImagesIndexed":[3.0]' in capsys.readouterr().out.replace(" ", "")


def test_what_cannot_be_indexed_is_listed_with_the_reason_and_found_all_the_same(committed: Engine) -> None:
    long, nested, _ = with_attributes(
        committed, {"Modality": ["x" * 999, "CT"]}, {"Modality": ["MR", {"a": 1}]}, {"Modality": "CT"}
    )
    housekeeping.tidy()

    with Session(committed) as session:
        failed = session.execute(select(attribute_failures).order_by("image_id")).all()
    assert [tuple(row) for row in failed] == [
        ("Modality", long, "is longer than 1,000 bytes"),
        ("Modality", nested, "is no text, number, boolean or null"),
    ]
    assert having(committed, Modality="x" * 999) == [long]
    assert having(committed, Modality="MR") == [nested]
    with Session(committed) as session, session.begin():
        set_attributes(session, long, Modality="CT")
        set_attributes(session, nested, Rows={"a": 1})
    with Session(committed) as session:
        assert session.execute(select(attribute_failures.c.keyword, attribute_failures.c.image_id)).all() == [
            ("Rows", nested)
        ]


def test_a_backfill_waits_for_who_may_not_know_the_keyword_yet(committed: Engine) -> None:
    (image_id,) = with_attributes(committed, {})

    with Session(committed) as session, session.begin():
        set_attributes(session, image_id, Modality="CT")
        housekeeping.tidy()
        assert 0 not in positions(committed).values()
    housekeeping.tidy()

    assert positions(committed) == {"Modality": 0, "Rows": 0}
    assert having(committed, Modality="CT") == [image_id]


def test_a_backfill_ends_before_an_image_that_someone_is_changing(committed: Engine) -> None:
    before, busy, after = with_attributes(committed, *({"Modality": "CT"} for _ in range(3)))
    with Session(committed) as session, session.begin():
        attributes.settle(session, ["Modality", "Rows"])
    with Session(committed) as session, session.begin():
        attributes.let_begin(session)

    with Session(committed) as session, session.begin():
        set_attributes(session, busy, Modality="MR")
        with Session(committed) as other, other.begin():
            backfill = attributes.next_backfill(other)
            assert backfill is not None
            assert attributes.fill_in(other, backfill, 100) == (1, after)
        assert {image_id for image_id, _, _ in indexed(committed)} == {after}
    housekeeping.tidy()

    assert (having(committed, Modality="CT"), having(committed, Modality="MR")) == ([before, after], [busy])


def test_a_keyword_that_is_given_up_goes_chunk_by_chunk_and_can_come_back(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "LINKS_A_CHUNK", 3)
    ids = with_attributes(committed, *({"Modality": "CT", "Rows": number} for number in range(7)), {"Rows": "x" * 1000})
    housekeeping.tidy()

    _want(monkeypatch, "Modality")
    housekeeping.tidy()
    assert positions(committed) == {"Modality": 0}
    assert {keyword for _, keyword, _ in indexed(committed)} == {"Modality"}
    with Session(committed) as session:
        assert session.scalars(select(HiddenTag.keyword)).all() == ["Modality"]
        assert session.scalars(select(func.count()).select_from(attribute_failures)).one() == 0
    assert having(committed, Rows="5") == [ids[5]]

    _want(monkeypatch, "Modality,Rows")
    housekeeping.tidy()
    assert positions(committed) == {"Modality": 0, "Rows": 0}
    assert having(committed, Rows="5") == [ids[5]]


def test_failures_of_a_keyword_that_is_given_up_go_chunk_by_chunk(committed: Engine) -> None:
    with_attributes(committed, *({"Rows": "x" * 1000} for _ in range(7)))
    housekeeping.tidy()

    def failures() -> int:
        with Session(committed) as session:
            return session.scalars(select(func.count()).select_from(attribute_failures)).one()

    assert failures() == 7
    for left in (4, 1, 0):
        with Session(committed) as session, session.begin():
            assert attributes.remove_some(session, "Rows", 3)
        assert failures() == left


def test_counts_of_values_are_added_up(committed: Engine) -> None:
    ids = with_attributes(committed, *({"Modality": "CT"} for _ in range(5)))
    housekeeping.tidy()
    with Session(committed) as session, session.begin():
        images.delete(session, EDITOR, ids[0])
    housekeeping.tidy()

    with Session(committed) as session:
        assert session.execute(select(HiddenTag.value, HiddenTag.image_count)).all() == [("CT", 4)]


def test_the_index_stays_true_while_four_write_and_two_fill_it(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "IMAGES_A_CHUNK", 7)
    ids, done = with_attributes(committed, *({"Modality": "CT"} for _ in range(60))), Event()

    def write(client: int) -> None:
        random = Random(client)
        for _ in range(60):
            with Session(committed) as session, session.begin():
                given = {"Modality": random.choice(["CT", "MR", ["US", "CR"]]), "Rows": random.randrange(50)}
                set_attributes(session, random.choice(ids), **given)

    def fill() -> None:
        while not done.is_set():
            indexing.index_attributes(float("inf"))

    with ThreadPoolExecutor(6) as threads:
        fillers = [threads.submit(fill) for _ in range(2)]
        for written in [threads.submit(write, client) for client in range(4)]:
            written.result()
        done.set()
        for filler in fillers:
            filler.result()
    housekeeping.tidy()

    with Session(committed) as session:
        held = session.execute(select(Image.id, Image.attributes)).all()
    assert positions(committed) == {"Modality": 0, "Rows": 0}
    assert indexed(committed) == {
        (image_id, keyword, one)
        for image_id, given in held
        for keyword, value in given.items()
        for one in (value if isinstance(value, list) else [value])
    }


def test_popular_values_are_packed_and_what_changes_since_is_found(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BLOCK": 10, "LEAST_IMAGES": 10, "LEAST_SHARE": 0}.items():
        monkeypatch.setattr(packing, name, value)
    with Session(committed) as session, session.begin():
        for number in range(60):
            given = {"Modality": "CT" if number % 2 else "MR", "Rows": number}
            an_image(session, ["three"] if number % 3 == 0 else [], id=OLD + number, attributes=given)
    for _ in range(2):
        housekeeping.tidy()
    with Session(committed) as session:
        assert session.scalars(select(func.count()).select_from(packed_tags)).one() == 3
        assert min(session.scalars(select(changed_images.c.image_id))) > OLD + 50  # not packed yet
    both = Criteria(exact_tags=("three",), attributes=(("Modality", "CT"),))
    assert by_intersection(committed, both) == [OLD + number for number in range(3, 60, 6)]

    with Session(committed) as session, session.begin():
        set_attributes(session, OLD + 3, Modality="MR")
        set_attributes(session, OLD + 6, Modality=["CT", "MR"])
        images.delete(session, EDITOR, OLD + 9)

    expected = [OLD + number for number in (6, *range(15, 60, 6))]
    assert by_intersection(committed, both) == found(committed, both) == expected


def by_intersection(engine: Engine, criteria: Criteria) -> list[int]:
    """Of packed lists; oldest first."""
    with Session(engine) as session:
        question = conditions.resolve(session, criteria)
        assert isinstance(question, Question)
        (plan,) = [plan for plan in candidates(question, 100) if plan.form is Form.INTERSECT]
        sql = forms.settings(plan) + forms.ids(plan, question, 100)
        return list(session.connection().exec_driver_sql(sql, dict(question.texts)).scalars())[::-1]


@pytest.mark.parametrize(
    ("least", "most", "within", "without"),
    [
        (
            "512",
            None,
            [512, 512.0, 513, 1e6, [5, 600]],
            [511, -512, "512", "CT", True, None, [], [1, "600"], {"a": 600}],
        ),
        (None, "-0.5", [-0.5, -1, [7, -7]], [0, "-1", False]),
        ("2", "5", [2, 5, 3.5, [1, 4]], [[1, 6], 1.99, 5.01]),
        ("1e2", "1E+3", [100, 1000], [99, 1001, "100"]),
        ("2019-05", None, ["2019-05-01", "2019-05", "2019", "2020-01-01"], ["2019-04-30", "2018", 2019, 3000]),
        (None, "2019-05", ["2019-05-31", "2019-05", "2019", "2018-12-31"], ["2019-06-01", "2020", 2019]),
        ("2020-02-10", "2020-02-20", ["2020-02-10", "2020-02-20", "2020-02", "2020"], ["2020-02-09", "2020-03"]),
        ("2019", "2020", [2019, 2019.5, 2020, "2019", "2020-12-31T23:59:59"], ["2018", "2021", 2021, "20195", "CT"]),
        ("5", "2019-05", [], [5, 6, "2018"]),
        ("2020", "2019", [], [2019, 2020, "2019", "2020"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("keyword", ["Rows", "Columns"], ids=["indexed", "not indexed"])
def test_a_range_holds_for_numbers_and_dates_within_it(
    committed: Engine, keyword: str, least: str | None, most: str | None, within: list[Any], without: list[Any]
) -> None:
    with Session(committed) as session, session.begin():
        attributes.settle(session, ["Rows"])
    ids = with_attributes(committed, *({keyword: value} for value in [*within, *without]))
    with Session(committed) as session, session.begin():
        session.execute(update(indexed_attributes).values(position=0))

    assert found(committed, Criteria(attribute_ranges=(AttributeRange(keyword, least, most),))) == ids[: len(within)]


def test_a_session_that_began_with_few_values_finds_each_by_the_index_when_there_are_many(committed: Engine) -> None:
    first, later = with_attributes(committed, {"Modality": "CT"}, {"Modality": "MR"})
    with committed.connect() as connection:
        connection.exec_driver_sql("INSERT INTO indexed_attributes (keyword) VALUES ('Modality')")
        connection.exec_driver_sql("SELECT index_attributes(ARRAY[%s::bigint], ARRAY['Modality'])", (first,))
        connection.exec_driver_sql(
            "INSERT INTO hidden_tags (keyword, value) SELECT 'Modality', to_jsonb(n) FROM generate_series(1, 20000) n"
        )
        (plan,) = connection.exec_driver_sql(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT index_attributes(ARRAY[%s::bigint], ARRAY['Modality'])",
            (later,),
        ).scalar_one()

        assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 200
