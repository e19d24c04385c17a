"""Which form a search takes, and what happens when it takes too long."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from benchmarks import collection
from chalicelib.config import settings
from chalicelib.database import images, search, tags
from chalicelib.database.engine import reading
from chalicelib.database.pages import TOTAL_LIMIT, Window
from chalicelib.database.search import AttributeRange, Criteria, conditions, forms, lookup, rows
from chalicelib.database.search import plan as plan_module
from chalicelib.database.search.conditions import Impossible, Question
from chalicelib.database.search.plan import Form, Plan
from chalicelib.errors import TooCostly

POPULAR, ALSO_POPULAR = collection.POPULAR_TAGS[:2]
RARE = collection.rare_tags(10)[0]
CT, RARE_STUDY = ("Modality", "CT"), ("StudyInstanceUID", f"{77:032x}")


@pytest.fixture
def session(grown: None) -> Iterator[Session]:
    with reading() as session:
        yield session


def plan_of(session: Session, criteria: Criteria, window: Window | None = None) -> Plan:
    plan = search.explain(session, criteria, window or Window(100))
    assert isinstance(plan, Plan)
    return plan


@pytest.mark.parametrize(
    ("criteria", "form", "leading"),
    [
        (Criteria(), Form.STREAM, ["images"]),
        (Criteria(uploaded_only=True), Form.STREAM, ["uploaded_only"]),
        (Criteria(exact_tags=(POPULAR,)), Form.STREAM, ["exact_tags[0]"]),
        (Criteria(exact_tags=(POPULAR, RARE)), Form.STREAM, ["exact_tags[1]"]),
        (Criteria(exact_tags=(POPULAR, ALSO_POPULAR)), Form.MERGE, ["exact_tags[1]", "exact_tags[0]"]),
        (
            Criteria(exact_tags=(POPULAR,), exclude_tags=(ALSO_POPULAR,)),
            Form.MERGE,
            ["exact_tags[0]", "exclude_tags[0]"],
        ),
        (Criteria(match_tags=("MODALITY:%",)), Form.NEWEST_OF_EACH, ["match_tags[0]"]),
        (Criteria(match_tags=(collection.prefix_pattern(10),)), Form.NEWEST_OF_EACH, ["match_tags[0]"]),
        (Criteria(untagged=True), Form.STREAM, ["untagged"]),
        (Criteria(created_by=collection.RARE_CREATOR, exact_tags=(POPULAR,)), Form.STREAM, ["created_by"]),
        (Criteria(metadata=(("ward", collection.RARE_WARD),)), Form.GATHER, ["metadata.ward"]),
        (Criteria(attributes=(CT,)), Form.STREAM, ["attributes.Modality"]),
        (Criteria(attributes=(CT,), exact_tags=(RARE,)), Form.STREAM, ["exact_tags[0]"]),
        (Criteria(attributes=(RARE_STUDY,)), Form.STREAM, ["attributes.StudyInstanceUID"]),
        (Criteria(attribute_ranges=(AttributeRange("Rows", "1024", None),)), Form.NEWEST_OF_EACH, ["attributes.Rows>"]),
        (Criteria(attributes=(("PixelSpacing", "0.5"),)), Form.STREAM, ["images"]),
        (Criteria(attribute_ranges=(AttributeRange("PixelSpacing", None, "9"),)), Form.STREAM, ["images"]),
    ],
)
def test_a_search_takes_the_form_that_wins_for_it(
    session: Session, criteria: Criteria, form: Form, leading: list[str]
) -> None:
    plan = plan_of(session, criteria)

    assert (plan.form, [each.name for each in plan.leading]) == (form, leading), plan.reason


@pytest.mark.parametrize(
    ("criteria", "name"),
    [
        (Criteria(exact_tags=(POPULAR, "no such tag")), "exact_tags[1]"),
        (Criteria(match_tags=("no such%",)), "match_tags[0]"),
        (Criteria(any_tags=("no such tag", "nor this")), "any_tags"),
        (Criteria(exact_tags=(collection.OLD_TAG, collection.NEW_TAG)), "exact_tags[1]"),
        (Criteria(exact_tags=(POPULAR,), end_timestamp=1_000_000_000), "exact_tags[0]"),
        (Criteria(created_by="nobody"), "created_by"),
        (Criteria(attributes=(("Modality", "no such"),)), "attributes.Modality"),
        (Criteria(attribute_ranges=(AttributeRange("Rows", None, "1"),)), "attributes.Rows<"),
    ],
)
def test_a_search_that_can_find_nothing_looks_for_nothing(session: Session, criteria: Criteria, name: str) -> None:
    assert search.explain(session, criteria, Window(100)) == Impossible(name)
    assert search.find(session, criteria, Window(100)).total == 0


def test_only_the_ids_between_which_all_tags_are_found_are_walked(session: Session) -> None:
    both = Criteria(exact_tags=(collection.OLD_TAG, POPULAR))
    oldest = min(row.id for row in search.find(session, Criteria(exact_tags=(POPULAR,)), Window(100)).rows)

    newest = search.find(session, both, Window(1)).rows[0].id
    looked_at = conditions.resolve(session, both)

    assert isinstance(looked_at, Question)
    assert newest < looked_at.end < oldest


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(match_tags=("l%", "%a%")),
        Criteria(exact_tags=(POPULAR,), match_tags=("%1%",), metadata=(("ward", collection.WARDS[0]),)),
    ],
)
def test_when_a_budget_does_not_do_the_complete_form_finds_the_same(
    session: Session, criteria: Criteria, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = search.find(session, criteria, Window(100))
    monkeypatch.setattr(plan_module, "BEARABLE", 0)
    monkeypatch.setattr(plan_module, "SPARE", 0)
    monkeypatch.setattr(plan_module, "SPARE_ROWS", 1)

    plan = plan_of(session, criteria)
    found = search.find(session, criteria, Window(100))

    assert (plan.budget, plan.complete is None) == (1, False)
    assert found == expected
    assert len(found.rows) > 1


def test_a_search_that_takes_too_long_is_refused_and_says_what_is_too_broad(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "query", lambda _: "SELECT pg_sleep(60)")
    monkeypatch.setenv("SEARCH_TIMEOUT_SECONDS", "1")
    settings.cache_clear()

    with pytest.raises(TooCostly) as refusal:
        search.find(session, Criteria(exact_tags=(RARE,), match_tags=("%a%",)), Window(100))

    settings.cache_clear()
    assert [error["field"] for error in refusal.value.members["errors"]] == ["match_tags[0]"]
    assert "match_tags[0] stands for" in refusal.value.detail
    assert refusal.value.headers["Retry-After"]


def test_patterns_whose_tags_take_too_long_to_find_are_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_PATTERN", "SELECT pg_sleep(60)::text, '{number}', '{{}}', {few}, 0, 0, 0, false")
    monkeypatch.setenv("SEARCH_TIMEOUT_SECONDS", "1")
    settings.cache_clear()

    with pytest.raises(TooCostly) as refusal:
        search.find(session, Criteria(match_tags=("%a%",)), Window(100))

    settings.cache_clear()
    assert [error["field"] for error in refusal.value.members["errors"]] == ["match_tags"]


def test_patterns_that_nobody_gave_are_not_blamed(grown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_SAMPLE", "SELECT pg_sleep(60)::text, '{kind}', '{{}}', 0, 0, 0, 0, false")
    monkeypatch.setenv("SEARCH_TIMEOUT_SECONDS", "1")
    settings.cache_clear()

    with pytest.raises(TooCostly) as refusal, reading() as session:
        search.find(session, Criteria(created_by="someone"), Window(100))

    settings.cache_clear()
    assert "errors" not in refusal.value.members


def test_packed_links_are_not_used_when_too_much_has_changed(session: Session) -> None:
    question = conditions.resolve(session, Criteria(exact_tags=(POPULAR, ALSO_POPULAR)))
    assert isinstance(question, Question)

    def forms_with(changed: int) -> set[Form]:
        return {plan.form for plan in plan_module.candidates(replace(question, changed=changed), 100)}

    assert forms_with(0) - forms_with(lookup.MOST_CHANGES) == {Form.INTERSECT}


def test_a_count_that_takes_too_long_says_at_least(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "COUNT", "SELECT pg_sleep(60) FROM ({ids}) c")
    monkeypatch.setenv("COUNT_TIMEOUT_MILLISECONDS", "50")
    settings.cache_clear()

    page = search.find(session, Criteria(match_tags=("%a%", "%e%")), Window(10))

    settings.cache_clear()
    assert len(page.rows) == 10
    assert (page.total, page.total_is_exact) == (11, False)


def test_an_attribute_that_is_not_indexed_is_sampled_and_an_indexed_one_is_not(session: Session) -> None:
    found = lookup.look_up(session, Criteria(attributes=(CT, ("PixelSpacing", "0.5"))))

    assert {key for key in found if key[0] in ("attribute", "share")} == {
        ("attribute", "attributes0"),
        ("share", "attributes1"),
    }


def test_a_range_of_too_many_values_is_looked_for_in_the_rows(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = Criteria(attribute_ranges=(AttributeRange("StudyDate", "2017", "2017"),), exact_tags=(POPULAR,))
    by_index = search.find(session, dates, Window(100))
    monkeypatch.setattr(lookup, "MOST_VALUES", 300)

    by_rows = search.find(session, dates, Window(100))

    assert lookup.look_up(session, dates).keys() >= {("share", "attribute_ranges0")}
    assert by_rows == by_index
    assert len(by_rows.rows) == 100


def test_the_total_of_one_tag_is_the_count_that_is_kept(session: Session) -> None:
    tag = tags.find(session, POPULAR, Window(1)).rows[0]
    page = search.find(session, Criteria(exact_tags=(POPULAR,)), Window(10))

    assert (page.total, page.total_is_exact) == (tag.image_count, True)
    assert tag.image_count > 1000


def test_a_total_is_counted_no_further_than_its_limit(session: Session) -> None:
    page = search.find(session, Criteria(), Window(10))

    assert (page.total, page.total_is_exact) == (TOTAL_LIMIT, False)


def test_the_ids_of_a_form_come_in_the_order_of_an_index(session: Session) -> None:
    """No form but those that gather sorts what it walks, and none reads a whole table."""
    both = Criteria(exact_tags=(POPULAR, ALSO_POPULAR), any_tags=collection.MODALITY_TAGS[:2], exclude_tags=(RARE,))
    question = conditions.resolve(session, both)
    assert isinstance(question, Question)

    for plan in plan_module.candidates(question, 100):
        if plan.form in (Form.STREAM, Form.MERGE):
            explained = forms.settings(plan) + "EXPLAIN " + forms.ids(plan, question, 100)
            steps = "\n".join(session.connection().exec_driver_sql(explained).scalars())
            assert "Sort  (" not in steps, steps
            assert "Seq Scan" not in steps, steps
