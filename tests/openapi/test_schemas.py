"""The limits that the document says are those that the shapes keep."""

import math
import re
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chalicelib.routes.shapes import fields
from chalicelib.routes.shapes.images import ImageRecord
from openapi import schemas

TEXTS = {
    "Filename": fields.Filename,
    "Pattern": fields.Pattern,
    "CallerId": fields.CallerId,
    "Sha256": fields.Sha256,
    "ContentType": fields.ContentType,
    "Base64Data": fields.Base64Data,
    "MetadataValue": fields.MetadataValue,
}
SPACES = st.text(alphabet=" \u00a0\u1680\u2003\u2028\u202f\u205f\u3000\ufeff\t\n\x1f\x85", max_size=3)


def encodable(text: str) -> bool:
    """Nothing else comes over HTTP."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def taken(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def documented(kind: Any, value: Any) -> bool:
    return jsonschema_rs.is_valid(schemas.of(kind), value)


def anything_like(kind: Any) -> st.SearchStrategy[str]:
    """Texts around the limits of a kind, and any others."""
    schema = schemas.of(kind)
    edges = [schema.get("minLength", 0), schema.get("maxLength", 64)]
    lengths = [length + step for length in edges for step in (-1, 0, 1) if length + step >= 0]
    return st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"])),
        st.sampled_from([character * length for character in ("a", "é", "\U0001fa7b", "|", "=") for length in lengths]),
        st.from_regex(re.compile(schema["pattern"])),
        st.from_regex(re.compile(schema["pattern"]), fullmatch=True).map(lambda text: text + "\n"),
    )


@pytest.mark.parametrize("kind", TEXTS.values(), ids=TEXTS)
@given(data=st.data())
def test_a_text_is_taken_if_and_only_if_the_document_says_so(kind: Any, data: st.DataObject) -> None:
    text = data.draw(anything_like(kind).filter(encodable))

    assert taken(kind, text) == documented(kind, text)


@given(before=SPACES, name=st.text(alphabet="ab|é\u0301\x00\x7f", max_size=4), after=SPACES)
@example(before="", name="a" * 160, after="")
@example(before="", name="a" * 161, after="")
def test_a_tag_name_is_taken_if_and_only_if_the_document_says_so(before: str, name: str, after: str) -> None:
    text = before + name + after

    assert taken(fields.TagName, text) == documented(fields.TagName, text)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=2))
@example(1e308)
@example(10**309)
@example("\0")
def test_a_value_of_metadata_is_taken_if_and_only_if_the_document_says_so(value: Any) -> None:
    finite = not isinstance(value, float) or math.isfinite(value)  # JSON has no others

    assert taken(fields.Metadata, {"key": value}) == (finite and documented_entry(value))


def documented_entry(value: Any) -> bool:
    """OpenAPI's `nullable`, as JSON Schema has it."""
    choices = schemas.of(fields.MetadataEntry)["anyOf"]
    return any(jsonschema_rs.is_valid(each, value) for each in choices) or (
        value is None and any(each.get("nullable") for each in choices)
    )


def test_null_is_a_word_of_its_own_in_openapi() -> None:
    _, made = schemas.named([(ImageRecord, "serialization")])

    url = made["ImageRecord"]["properties"]["url"]

    assert (url["type"], url["nullable"]) == ("string", True)
    assert "anyOf" not in url
