"""What clients may send, and what each refusal names."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.base import Paging, opened, sealed
from chalicelib.routes.shapes.images import ImageChange, ImageDraft, OneShot
from chalicelib.routes.shapes.search import SearchQuery
from chalicelib.routes.shapes.text import content_type_of, tag_name

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


def test_a_search_takes_twenty_names_in_all() -> None:
    names = [f"t{number}" for number in range(11)]

    with pytest.raises(ValidationError):
        SearchQuery.model_validate({"exact_tags": names, "match_tags": names})
