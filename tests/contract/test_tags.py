"""Tags: list, create, rename, merge, delete, and the images of one."""

from typing import Any

import pytest
from httpx import Client, Response

from tests.contract.builders import (
    NO_TAG,
    Record,
    a_tag,
    assert_problem,
    found,
    got,
    ids,
    names,
    one_shot,
    registered,
    tag_path,
)

BAD_NAMES = ["", " ", "\u00a0", "a|b", "a\tb", "a\nb", "a\0b", "a\x7fb", "a\x9fb", "x" * 161, 5, None, ["a"], True]
BAD_IDS = ["abc", "-1", "1.5", "9223372036854775808", "%20"]


def create(client: Client, name: Any) -> Response:
    return client.post("/tags", json={"name": name})


def rename(client: Client, tag_id: int, name: Any) -> Response:
    return client.put(f"/tags/{tag_id}", json={"name": name})


def merge(client: Client, tag_id: int, into: Any) -> Response:
    return client.post(f"/tags/{tag_id}/merge", json={"into": into})


def tag(client: Client, tag_id: int) -> Record:
    return got(client, f"/tags/{tag_id}")


def listed(client: Client, **parameters: Any) -> list[str]:
    return names(got(client, "/tags", **parameters)["results"])


# Create and get


def test_a_new_tag_is_created(editor: Client, unique: str) -> None:
    response = create(editor, unique)

    assert response.status_code == 201
    made = response.json()
    assert (set(made), made["name"], made["image_count"]) == ({"id", "name", "image_count"}, unique, 0)
    assert response.headers["Location"].endswith(f"/v1/tags/{made['id']}")
    assert editor.get(response.headers["Location"]).json() == made


def test_a_name_that_exists_gives_the_tag_that_has_it(editor: Client, unique: str) -> None:
    registered(editor, tags=[unique])
    first = create(editor, unique)

    second = create(editor, f" {unique} ")

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert second.json()["image_count"] == 1


def test_names_are_trimmed_and_composed(editor: Client, unique: str) -> None:
    made = create(editor, f"  {unique} u\u0308 \u3000").json()

    assert made["name"] == f"{unique} \u00fc"
    assert create(editor, f"{unique} \u00fc").json()["id"] == made["id"]


def test_case_makes_another_tag(editor: Client, unique: str) -> None:
    assert a_tag(editor, unique) != a_tag(editor, unique.upper())


def test_a_name_has_up_to_160_characters(editor: Client, unique: str) -> None:
    long = unique + "🩻" * (160 - len(unique))
    decomposed = unique + "u\u0308" * (160 - len(unique))

    assert create(editor, long).json()["name"] == long
    assert len(create(editor, decomposed).json()["name"]) == 160


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_is_none_is_refused(editor: Client, unique: str, name: Any) -> None:
    tag_id = a_tag(editor, unique)

    assert_problem(create(editor, name), 400, field="name")
    assert_problem(rename(editor, tag_id, name), 400, field="name")

    assert tag(editor, tag_id)["name"] == unique


def test_a_name_is_needed(editor: Client, unique: str) -> None:
    assert_problem(editor.post("/tags", json={}), 400, field="name")
    assert_problem(editor.put(f"/tags/{a_tag(editor, unique)}", json={}), 400, field="name")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"name": "anything"}),
        ("DELETE", "", None),
        ("GET", "/images", None),
        ("POST", "/merge", {"into": 1}),
    ],
)
def test_what_is_not_there_is_not_found(editor: Client, method: str, path: str, body: Record | None) -> None:
    problem = assert_problem(editor.request(method, f"/tags/{NO_TAG}{path}", json=body), 404)

    assert problem["type"].endswith("tag-not-found")


@pytest.mark.parametrize("tag_id", BAD_IDS)
def test_an_id_that_is_none_is_refused(editor: Client, tag_id: str) -> None:
    for response in (
        editor.get(f"/tags/{tag_id}"),
        editor.put(f"/tags/{tag_id}", json={"name": "a"}),
        editor.delete(f"/tags/{tag_id}"),
        editor.get(f"/tags/{tag_id}/images"),
        editor.post(f"/tags/{tag_id}/merge", json={"into": 1}),
    ):
        assert_problem(response, 400, field="tag_id")


# Rename


def test_a_rename_keeps_id_and_links(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique])["id"]
    tag_id = a_tag_id(editor, unique)

    response = rename(editor, tag_id, f" {unique} new ")

    assert response.status_code == 200
    assert response.json() == {"id": tag_id, "name": f"{unique} new", "image_count": 1}
    assert tag(editor, tag_id) == response.json()
    assert got(editor, f"/images/{image_id}")["tags"] == [{"id": tag_id, "name": f"{unique} new"}]
    assert found(editor, exact_tags=f"{unique} new") == [image_id]
    assert found(editor, match_tags=f"{unique.upper()} NEW") == [image_id]
    assert found(editor, exact_tags=unique) == []
    assert found(editor, match_tags=unique) == []


def a_tag_id(client: Client, name: str) -> int:
    response = create(client, name)
    assert response.status_code == 200
    tag_id: int = response.json()["id"]
    return tag_id


def test_a_rename_to_its_own_name_or_another_case_of_it_is_fine(editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)

    for name in (unique, f" {unique}", unique.upper()):
        response = rename(editor, tag_id, name)
        assert (response.status_code, response.json()["name"]) == (200, name.strip())


def test_a_name_that_was_given_up_is_free(editor: Client, unique: str) -> None:
    first = a_tag(editor, unique)
    rename(editor, first, f"{unique} new")

    assert a_tag(editor, unique) != first


@pytest.mark.parametrize("form", ["{}", " {} "])
def test_a_rename_onto_another_tag_points_to_merge(editor: Client, unique: str, form: str) -> None:
    tag_id, holder = a_tag(editor, f"{unique} old"), a_tag(editor, unique)

    response = rename(editor, tag_id, form.format(unique))

    problem = assert_problem(response, 409, saying="merge")
    assert problem["type"].endswith("tag-name-taken")
    assert str(holder) in problem["detail"]
    assert tag(editor, tag_id)["name"] == f"{unique} old"


# Delete


def test_a_deletion_leaves_the_images(editor: Client, unique: str) -> None:
    image_id = one_shot(editor, tags=[unique, f"{unique} other"])["id"]
    tag_id = a_tag_id(editor, unique)

    response = editor.delete(f"/tags/{tag_id}")

    assert (response.status_code, response.content) == (204, b"")
    assert_problem(editor.get(f"/tags/{tag_id}"), 404)
    assert_problem(editor.delete(f"/tags/{tag_id}"), 404)
    assert names(got(editor, f"/images/{image_id}")["tags"]) == [f"{unique} other"]
    assert found(editor, exact_tags=unique) == []
    assert listed(editor, match=unique) == []


def test_a_deleted_name_comes_back_as_another_tag_without_images(editor: Client, unique: str) -> None:
    registered(editor, tags=[unique])
    first = a_tag_id(editor, unique)
    editor.delete(f"/tags/{first}")

    second = a_tag(editor, unique)

    assert second != first
    assert tag(editor, second)["image_count"] == 0


def test_a_restored_image_lacks_a_tag_that_was_deleted_meanwhile(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique, f"{unique} other"])["id"]
    editor.delete(f"/images/{image_id}")
    editor.delete(f"/tags/{a_tag_id(editor, unique)}")

    image = editor.post(f"/images/{image_id}/restore").json()

    assert names(image["tags"]) == [f"{unique} other"]


# Merge


def test_a_merge_gives_every_image_the_other_tag_once(editor: Client, unique: str) -> None:
    old, new = f"{unique} old", f"{unique} new"
    images = [registered(editor, tags=tags)["id"] for tags in ([old], [new], [old, new], [])]
    old_id, new_id = a_tag_id(editor, old), a_tag_id(editor, new)

    response = merge(editor, old_id, new_id)

    assert response.status_code == 200, response.text
    assert response.json() == {"id": new_id, "name": new, "image_count": 3}
    assert_problem(editor.get(f"/tags/{old_id}"), 404)
    assert [names(got(editor, f"/images/{each}")["tags"]) for each in images] == [[new], [new], [new], []]
    assert found(editor, exact_tags=new) == sorted(images[:3], reverse=True)
    assert found(editor, exact_tags=old) == []


def test_a_merge_counts_for_images_in_the_bin(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[f"{unique} old"])["id"]
    editor.delete(f"/images/{image_id}")
    new_id = a_tag(editor, f"{unique} new")

    assert merge(editor, a_tag_id(editor, f"{unique} old"), new_id).json()["image_count"] == 0

    image = editor.post(f"/images/{image_id}/restore").json()
    assert image["tags"] == [{"id": new_id, "name": f"{unique} new"}]


def test_a_merge_into_nothing_is_not_found_and_changes_nothing(editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)

    assert_problem(merge(editor, tag_id, NO_TAG), 404)

    assert tag(editor, tag_id)["name"] == unique


def test_a_merge_into_itself_is_refused(editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)

    assert_problem(merge(editor, tag_id, tag_id), 400, field="into")

    assert tag(editor, tag_id)["name"] == unique


@pytest.mark.parametrize("into", ["5", 1.5, None, True, 0, -1, 2**63, [5]], ids=str)
def test_a_merge_into_what_is_no_id_is_refused(editor: Client, unique: str, into: Any) -> None:
    assert_problem(merge(editor, a_tag(editor, unique), into), 400, field="into")


# Count and list


def test_the_count_follows_the_images(editor: Client, unique: str) -> None:
    first, second = registered(editor, tags=[unique])["id"], one_shot(editor, tags=[unique])["id"]
    tag_id = a_tag_id(editor, unique)
    counts = [tag(editor, tag_id)["image_count"]]

    editor.delete(tag_path(first, unique))
    counts.append(tag(editor, tag_id)["image_count"])
    editor.delete(f"/images/{second}")
    counts.append(tag(editor, tag_id)["image_count"])
    editor.post(f"/images/{second}/restore")
    counts.append(tag(editor, tag_id)["image_count"])

    assert counts == [2, 1, 0, 1]
    assert got(editor, "/tags", match=unique)["results"] == [{"id": tag_id, "name": unique, "image_count": 1}]


def test_the_list_is_alphabetical(editor: Client, unique: str) -> None:
    for name in ("c", "a", "b 2", "b", "aa"):
        a_tag(editor, f"{unique} {name}")

    assert listed(editor, match=f"{unique} %") == [f"{unique} {name}" for name in ("a", "aa", "b", "b 2", "c")]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{}", ["{}"]),
        ("{}%", ["{}", "{}-CHEST", "{}-chest", "{}-Ärzte", "{}-50%", "{}-50_a", "{}-50xa", "{}-a\\b"]),
        ("{}-chest", ["{}-CHEST", "{}-chest"]),
        ("%{}-CH%", ["{}-CHEST", "{}-chest"]),
        ("{}-c%t", ["{}-CHEST", "{}-chest"]),
        ("{}-ärzte", ["{}-Ärzte"]),
        ("{}-A\u0308RZ%", ["{}-Ärzte"]),
        ("{}-50\\%", ["{}-50%"]),
        ("{}-50_a", ["{}-50_a"]),
        ("{}-5%a", ["{}-50_a", "{}-50xa"]),
        ("{}-a\\b", ["{}-a\\b"]),
        ("{}-%\\%", ["{}-50%"]),
        ("{}_chest", []),
        ("{}-ches", []),
    ],
)
def test_the_list_takes_a_pattern(editor: Client, unique: str, pattern: str, expected: list[str]) -> None:
    for name in ("", "-CHEST", "-chest", "-Ärzte", "-50%", "-50_a", "-50xa", "-a\\b"):
        a_tag(editor, unique + name)

    shown = listed(editor, match=pattern.format(unique))

    assert sorted(shown) == sorted(name.format(unique) for name in expected)


@pytest.mark.parametrize("match", ["", "x" * 161, "a\0", ["a", "b"]], ids=ascii)
def test_a_pattern_that_is_none_is_refused(editor: Client, match: Any) -> None:
    assert_problem(editor.get("/tags", params={"match": match}), 400, field="match")


def test_a_pattern_has_up_to_160_characters(editor: Client) -> None:
    assert listed(editor, match="zz" + "q" * 158) == []


# Images of a tag


def test_the_images_of_a_tag_are_whole_records_newest_first(editor: Client, unique: str) -> None:
    images = [one_shot(editor, tags=[unique, f"{unique} b"])["id"] for _ in range(3)]
    registered(editor, tags=[f"{unique} b"])

    answer = got(editor, f"/tags/{a_tag_id(editor, unique)}/images")

    assert [image["id"] for image in answer["results"]] == images[::-1]
    assert answer["meta"]["total_results"] == 3
    assert set(answer["results"][0]) == set(got(editor, f"/images/{images[0]}"))
    assert names(answer["results"][0]["tags"]) == [unique, f"{unique} b"]


def test_the_images_of_a_tag_take_the_filters_of_browse(editor: Client, unique: str) -> None:
    there, pending = one_shot(editor, tags=[unique]), registered(editor, tags=[unique])["id"]
    path, moment = f"/tags/{a_tag_id(editor, unique)}/images", there["created_timestamp"]

    assert ids(editor, path, uploaded_only="true") == [there["id"]]
    assert there["id"] in ids(editor, path, start_timestamp=moment, end_timestamp=moment)
    assert ids(editor, path, end_timestamp=moment - 1) == []
    assert ids(editor, path, start_timestamp=moment) == [pending, there["id"]]
    assert_problem(editor.get(path, params={"exact_tags": unique}), 400, field="exact_tags")


def test_a_tag_without_images_has_an_empty_list(editor: Client, unique: str) -> None:
    answer = got(editor, f"/tags/{a_tag(editor, unique)}/images")

    assert answer["results"] == []
    assert answer["meta"] == {
        "limit": 100,
        "current_page": 0,
        "has_more_pages": False,
        "next_cursor": None,
        "total_results": 0,
        "total_relation": "eq",
    }
