"""Single tags of an image."""

import pytest
from httpx import Client

from tests.contract.builders import NO_IMAGE, assert_problem, found, got, ids, names, registered, tag_path

SPECIAL = [
    "a/b",
    "/",
    "a//b/",
    ".",
    "..",
    "%",
    "100%",
    "%41",
    "%2F",
    "ü",
    "日本語",
    "🩻👩‍⚕️",
    "a b",
    "a+b",
    'say "x"',
    "it's",
    "a\\b",
    "a_b",
    "a;b,c",
    "a&b=c",
    "#1?",
    "<b>",
    "{x}",
    "x" * 144,
    "🩻" * 140,
]


def tags_of(client: Client, image_id: int) -> list[str]:
    return names(got(client, f"/images/{image_id}")["tags"])


def test_a_tag_is_added_and_made_where_it_is_unknown(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]

    response = editor.put(tag_path(image_id, unique))

    assert (response.status_code, response.content) == (204, b"")
    assert tags_of(editor, image_id) == [unique]
    assert len(ids(editor, "/tags", match=unique)) == 1


def test_a_tag_is_taken_off_and_stays_a_tag(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique, f"{unique} other"])["id"]

    response = editor.delete(tag_path(image_id, unique))

    assert (response.status_code, response.content) == (204, b"")
    assert tags_of(editor, image_id) == [f"{unique} other"]
    assert len(ids(editor, "/tags", match=unique)) == 1


def test_twice_is_fine(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]

    assert [editor.put(tag_path(image_id, unique)).status_code for _ in range(2)] == [204, 204]
    assert tags_of(editor, image_id) == [unique]

    assert [editor.delete(tag_path(image_id, unique)).status_code for _ in range(2)] == [204, 204]
    assert tags_of(editor, image_id) == []


def test_taking_off_a_tag_that_nobody_knows_makes_none(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]

    assert editor.delete(tag_path(image_id, unique)).status_code == 204

    assert ids(editor, "/tags", match=unique) == []


@pytest.mark.parametrize("special", SPECIAL, ids=lambda name: ascii(name)[:30])
def test_any_name_goes_percent_encoded(editor: Client, unique: str, special: str) -> None:
    name, image_id = f"{unique}{special}", registered(editor)["id"]

    assert editor.put(tag_path(image_id, name)).status_code == 204

    assert tags_of(editor, image_id) == [name]
    assert found(editor, exact_tags=name) == [image_id]
    assert editor.delete(tag_path(image_id, name)).status_code == 204
    assert tags_of(editor, image_id) == []


@pytest.mark.parametrize("name", ["%", "ü", "+", "a/b", "/", " x", "ab"])
def test_a_name_need_not_be_long(editor: Client, name: str) -> None:
    image_id = registered(editor)["id"]

    assert editor.put(tag_path(image_id, name)).status_code == 204
    assert tags_of(editor, image_id) == [name.strip()]

    assert editor.delete(tag_path(image_id, name)).status_code == 204
    assert tags_of(editor, image_id) == []


def test_a_plus_in_a_path_is_a_plus(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]

    assert editor.put(f"/images/{image_id}/tags/{unique}+x").status_code == 204

    assert tags_of(editor, image_id) == [f"{unique}+x"]


def test_composed_and_decomposed_are_one_tag(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[f"{unique}u\u0308"])["id"]
    assert tags_of(editor, image_id) == [f"{unique}\u00fc"]

    assert editor.put(tag_path(image_id, f"{unique}\u00fc")).status_code == 204
    assert tags_of(editor, image_id) == [f"{unique}\u00fc"]

    assert editor.delete(tag_path(image_id, f"{unique}u\u0308")).status_code == 204
    assert tags_of(editor, image_id) == []


def test_space_around_a_name_does_not_count(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]

    editor.put(tag_path(image_id, f"  {unique} x "))

    assert tags_of(editor, image_id) == [f"{unique} x"]


def test_case_counts(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique])["id"]

    editor.put(tag_path(image_id, unique.upper()))
    editor.delete(tag_path(image_id, unique.title()))

    assert set(tags_of(editor, image_id)) == {unique, unique.upper()}


@pytest.mark.parametrize("name", [" ", "a|b", "a\tb", "a\0b", "a\x7fb", "a\x85b", "x" * 161])
def test_a_name_that_is_none_is_refused(editor: Client, name: str) -> None:
    image_id = registered(editor)["id"]

    for method in ("PUT", "DELETE"):
        assert_problem(editor.request(method, tag_path(image_id, name)), 400, field="name")


def test_an_image_takes_no_more_than_a_hundred_tags_one_by_one_either(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[f"{unique} {i:03}" for i in range(100)])["id"]

    assert editor.put(tag_path(image_id, f"{unique} 000")).status_code == 204
    response = editor.put(tag_path(image_id, f"{unique} one more"))

    assert_problem(response, response.status_code)
    assert response.status_code in {400, 409, 422}
    assert len(tags_of(editor, image_id)) == 100


def test_there_is_no_tag_on_what_is_not_there(editor: Client, unique: str) -> None:
    for method in ("PUT", "DELETE"):
        assert_problem(editor.request(method, tag_path(NO_IMAGE, unique)), 404)

    assert ids(editor, "/tags", match=unique) == []
