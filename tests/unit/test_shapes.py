"""What clients may send, and what each refusal names."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.database.pages import TOTAL_LIMIT, Page
from chalicelib.database.search import AttributeRange, Criteria
from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.base import PageMeta, Paging, opened, sealed
from chalicelib.routes.shapes.images import ImageChange, ImageDraft
from chalicelib.routes.shapes.search import SearchQuery
from chalicelib.routes.shapes.text import content_type_of
from chalicelib.routes.shapes.uploads import OneShot
from chalicelib.services.limits import tag_name

NAME_LISTS = ["exact_tags", "match_tags", "any_tags", "exclude_tags"]
DRAFT: dict[str, Any] = {"filename": "chest.dcm", "size": 1}


def draft(**fields: Any) -> ImageDraft:
    return ImageDraft.model_validate_json(json.dumps({**DRAFT, **fields}))


@given(st.text())
def test_a_tag_name_is_either_refused_or_kept_by_a_second_reading(text: str) -> None:
    try:
        name = tag_name(text)
    except ValueError:
        return

    assert tag_name(name) == name
    assert 1 <= len(name) <= 160
    assert "|" not in name


def test_composed_and_decomposed_accents_are_one_name() -> None:
    assert tag_name("e\u0301") == tag_name(" \u00e9 ")


@pytest.mark.parametrize("name", ["", "   ", "a|b", "a\nb", "a\x00b", "a\x85b", "x" * 161])
def test_such_tag_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        tag_name(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filename", ""),
        ("filename", "a/b"),
        ("filename", "a\\b"),
        ("filename", "a\x07b"),
        ("filename", "x" * 256),
        ("size", 0),
        ("size", 5 * 1024**4 + 1),
        ("size", "5"),
        ("size", True),
        ("size", 1.5),
        ("content_type", "dicom"),
        ("content_type", "image/png\r\nX-Evil: 1"),
        ("checksum_sha256", "abc"),
        ("tags", ["x"] * 1 + [f"t{n}" for n in range(100)]),
        ("metadata", {str(n): n for n in range(51)}),
        ("metadata", {"k": "x" * 16384}),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        draft(**{field: value})

    assert {error["loc"][0] for error in refusal.value.errors()} == {field}


@pytest.mark.parametrize("value", [["list"], {"nested": 1}, "nul \x00", 10**400])
def test_a_bad_metadata_value_is_refused_by_its_key(value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        draft(metadata={"good": 1, "bad": value})

    assert [error["loc"] for error in refusal.value.errors()] == [("metadata", "bad")]


@pytest.mark.parametrize("value", ["text", "", 0, -1.5, True, None, 2**60])
def test_flat_metadata_is_kept_as_it_is(value: Any) -> None:
    kept = draft(metadata={"k": value}).metadata["k"]

    assert kept == value
    assert type(kept) is type(value)


def test_an_unknown_field_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError) as refusal:
        draft(sise=5)

    assert refusal.value.errors()[0]["loc"] == ("sise",)


def test_a_tag_given_twice_counts_once() -> None:
    assert draft(tags=["ct", "ct ", "mr"]).tags == ["ct", "mr"]


@given(st.binary(min_size=1, max_size=100))
def test_base64_data_comes_out_as_the_bytes_that_went_in(data: bytes) -> None:
    body = {"filename": "a.png", "image_data": base64.b64encode(data).decode()}

    assert OneShot.model_validate_json(json.dumps(body)).image_data == data


@pytest.mark.parametrize("text", ["", "a", "a===", "YQ==\n", "Y\u0117==", "-_-_"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        OneShot.model_validate_json(json.dumps({"filename": "a.png", "image_data": text}))


@pytest.mark.parametrize("body", ["{}", '{"tags": null}', '{"filename": null, "tags": []}'])
def test_a_change_must_say_something_and_nothing_null(body: str) -> None:
    with pytest.raises(ValidationError):
        ImageChange.model_validate_json(body)


def test_the_content_type_follows_from_the_filename_on_every_machine() -> None:
    assert content_type_of("chest.DCM") == "application/dicom"
    assert content_type_of("photo.jpeg") == "image/jpeg"
    assert content_type_of("IM000001") == "application/octet-stream"
    assert content_type_of("brain.nii") == "application/x-nifti"
    assert content_type_of("data:brain.nii.gz") == "application/gzip"


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1e2"},
        {"limit": "1_0"},
        {"page": "-1"},
        {"offset": "10001"},
        {"page": "101"},
        {"page": "1", "offset": "1"},
        {"page": "1", "cursor": "x"},
        {"total": "yes"},
    ],
)
def test_such_paging_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Paging.model_validate(parameters)


@given(
    st.integers(min_value=-(2**62), max_value=2**62) | st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]))
)
def test_a_cursor_gives_back_the_key_that_it_holds(key: int | str) -> None:
    assert opened(sealed(key), type(key)) == key


@given(st.text(max_size=40))
def test_a_made_up_cursor_is_refused_and_never_breaks(text: str) -> None:
    with suppress(InvalidRequest):
        assert isinstance(opened(text, int), int)


@pytest.mark.parametrize(
    ("page", "total", "relation"),
    [
        (Page([], False, None), None, None),
        (Page([], False, 0), 0, "eq"),
        (Page([], False, TOTAL_LIMIT), TOTAL_LIMIT, "eq"),
        (Page([], False, TOTAL_LIMIT, total_is_exact=False), TOTAL_LIMIT, "gte"),
        (Page([], False, 300, total_is_exact=False), 300, "gte"),
    ],
)
def test_a_total_says_whether_there_may_be_more(page: Page[Any], total: int | None, relation: str | None) -> None:
    meta = PageMeta.of(Paging(), page, None)

    assert (meta.total_results, meta.total_relation) == (total, relation)


def test_a_search_asks_for_all_that_is_given() -> None:
    query = SearchQuery.model_validate(
        {
            "exact_tags": ["a"],
            "match_tags": ["b%"],
            "any_tags": ["c", "d"],
            "exclude_tags": ["e"],
            "untagged": "true",
            "start_timestamp": "1",
            "end_timestamp": "2",
            "uploaded_only": "true",
            "created_by": "me",
            "metadata": {"ward": "B2", "bed": "5"},
            "attributes": {"Modality": "CT", "Rows<": "2048", "StudyDate>": "2019-05", "Rows>": "512"},
        }
    )

    assert query.criteria() == Criteria(
        exact_tags=("a",),
        match_tags=("b%",),
        any_tags=("c", "d"),
        exclude_tags=("e",),
        untagged=True,
        start_timestamp=1,
        end_timestamp=2,
        uploaded_only=True,
        created_by="me",
        metadata=(("ward", "B2"), ("bed", "5")),
        attributes=(("Modality", "CT"),),
        attribute_ranges=(AttributeRange("Rows", "512", "2048"), AttributeRange("StudyDate", "2019-05", None)),
    )


@pytest.mark.parametrize("over", ["exact_tags", "match_tags", "any_tags", "exclude_tags"])
def test_a_search_takes_twenty_names_in_all_and_names_the_list_that_has_one_more(over: str) -> None:
    first = {name: [f"t{number}" for number in range(5)] for name in NAME_LISTS[: NAME_LISTS.index(over)]}
    left = [f"t{number}" for number in range(20 - 5 * len(first))]
    SearchQuery.model_validate({**first, over: left})

    with pytest.raises(ValidationError) as refusal:
        SearchQuery.model_validate({**first, over: [*left, "t20"]})

    assert [error["ctx"]["fields"] for error in refusal.value.errors()] == [[over]]


@pytest.mark.parametrize("name", ["exact_tags", "match_tags", "any_tags", "exclude_tags"])
def test_names_that_come_twice_count_as_often(name: str) -> None:
    with pytest.raises(ValidationError):
        SearchQuery.model_validate({name: ["a", "b", "a"] * 7})


def test_names_that_come_twice_are_looked_for_once() -> None:
    criteria = SearchQuery.model_validate({name: ["b", "a", "b"] for name in NAME_LISTS}).criteria()

    assert (criteria.exact_tags, criteria.any_tags, criteria.exclude_tags) == (("b", "a"),) * 3


def test_a_search_takes_twenty_pairs_in_all() -> None:
    metadata, attributes = {f"key{n}": "" for n in range(10)}, {f"Keyword{n}": "" for n in range(10)}
    SearchQuery.model_validate({"metadata": metadata, "attributes": attributes})

    with pytest.raises(ValidationError) as refusal:
        SearchQuery.model_validate({"metadata": metadata, "attributes": {**attributes, "Modality": ""}})

    assert [error["ctx"]["fields"] for error in refusal.value.errors()] == [["attributes.Modality"]]


@pytest.mark.parametrize("bound", ["0", "-1.5", "1e3", "0512", "2020", "2020-12", "2020-02-31", "9" * 31])
def test_a_bound_is_a_number_or_a_date(bound: str) -> None:
    for name in ("Rows>", "Rows<"):
        SearchQuery.model_validate({"attributes": {name: bound}})


@pytest.mark.parametrize(
    "bound",
    [
        *(
            "",
            "CT",
            " 5",
            "5 ",
            "+5",
            ".5",
            "5.",
            "0x10",
            "1e999",
            "NaN",
            "Infinity",
            "true",
            "null",
            "9" * 32,
            "1_000",
        ),
        *("05", "2020-", "2020-13", "2020-1", "2020-01-32", "2020-01-01T00:00:00", "٢٠٢٠", "5\n", "'"),
    ],
)
def test_a_bound_that_is_neither_is_named(bound: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        SearchQuery.model_validate({"attributes": {"Modality": "CT", "Rows>": bound}})

    assert [error["ctx"]["fields"] for error in refusal.value.errors()] == [["attributes.Rows>"]]


@pytest.mark.parametrize("value", ["", "x" * 1024, "a|b", "line\n", "\U0010ffff", "🩻", "\\", "%"])
def test_any_text_that_may_be_stored_may_be_searched(value: str) -> None:
    assert SearchQuery.model_validate({"metadata": {"k": value}}).criteria().metadata == (("k", value),)


@pytest.mark.parametrize("value", ["x" * 1025, "\0", "a\ud83e", "\udfff"])
def test_text_that_cannot_be_stored_is_not_searched(value: str) -> None:
    for field, key in (("metadata", "ward"), ("attributes", "Modality")):
        with pytest.raises(ValidationError) as refusal:
            SearchQuery.model_validate({field: {key: value}})

        assert [error["loc"] for error in refusal.value.errors()] == [(field, key)]
