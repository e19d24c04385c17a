"""Several clients at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from httpx import Client, Response

from tests.contract.builders import (
    DATA,
    a_tag,
    found,
    got,
    names,
    registered,
    tag_path,
    uploaded,
)

Value = TypeVar("Value")
Call = Callable[[], Response]
ROUNDS = range(3)


def at_once(calls: Sequence[Callable[[], Value]]) -> list[Value]:
    start = Barrier(len(calls))

    def call(what: Callable[[], Value]) -> Value:
        start.wait()
        return what()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def statuses(responses: list[Response]) -> list[int]:
    return sorted(response.status_code for response in responses)


@pytest.mark.parametrize("attempt", ROUNDS)
def test_eight_clients_create_images_with_the_same_new_tags(editor: Client, unique: str, attempt: int) -> None:
    tags = [f"{unique} {number}" for number in range(10)]

    def create(turn: int) -> Callable[[], list[Response]]:
        ordered = tags[turn:] + tags[:turn]
        body = {"filename": "a.dcm", "size": 1, "tags": ordered}
        return lambda: [editor.post("/images", json=body) for _ in range(3)]

    responses = [each for several in at_once([create(turn) for turn in range(8)]) for each in several]

    assert statuses(responses) == [201] * 24
    listed = got(editor, "/tags", match=f"{unique}%")["results"]
    assert names(listed) == tags
    assert {tag["image_count"] for tag in listed} == {24}
    images = sorted((response.json()["id"] for response in responses), reverse=True)
    assert found(editor, exact_tags=tags) == images


@pytest.mark.parametrize("attempt", ROUNDS)
def test_of_two_changes_with_the_same_etag_one_wins(editor: Client, attempt: int) -> None:
    image_id = registered(editor)["id"]
    etag = editor.get(f"/images/{image_id}").headers["ETag"]

    def change(writer: int) -> Callable[[], Response]:
        body = {"metadata": {"writer": writer}}
        return lambda: editor.put(f"/images/{image_id}", json=body, headers={"If-Match": etag})

    responses = at_once([change(writer) for writer in range(2)])

    assert statuses(responses) == [200, 412]
    (winner,) = [response for response in responses if response.status_code == 200]
    assert got(editor, f"/images/{image_id}")["metadata"] == winner.json()["metadata"]


@pytest.mark.parametrize("attempt", ROUNDS)
def test_one_of_eight_creates_the_tag_and_the_others_get_it(editor: Client, unique: str, attempt: int) -> None:
    responses = at_once([lambda: editor.post("/tags", json={"name": unique})] * 8)

    assert statuses(responses) == [200] * 7 + [201]
    assert len({response.json()["id"] for response in responses}) == 1


def test_one_of_two_renames_gets_the_name(editor: Client, unique: str) -> None:
    tags = [a_tag(editor, f"{unique} {number}") for number in range(2)]

    responses = at_once([partial(editor.put, f"/tags/{tag_id}", json={"name": unique}) for tag_id in tags])

    assert statuses(responses) == [200, 409]


@pytest.mark.parametrize("attempt", ROUNDS)
def test_a_tag_that_goes_while_images_take_it_is_no_failure(editor: Client, unique: str, attempt: int) -> None:
    images = [registered(editor)["id"] for _ in range(4)]
    tag_id = a_tag(editor, unique)
    calls: list[Call] = [partial(editor.put, tag_path(image, unique)) for image in images]
    calls.append(partial(editor.delete, f"/tags/{tag_id}"))

    *added, deleted = at_once(calls)

    assert statuses(added) == [204] * 4
    assert deleted.status_code == 204
    assert set(found(editor, exact_tags=unique)) <= set(images)


@pytest.mark.parametrize("attempt", ROUNDS)
def test_a_merge_while_images_take_the_tag_loses_none(editor: Client, unique: str, attempt: int) -> None:
    images = [registered(editor)["id"] for _ in range(4)]
    old, new = a_tag(editor, f"{unique} old"), a_tag(editor, f"{unique} new")
    calls: list[Call] = [partial(editor.put, tag_path(image, f"{unique} old")) for image in images]
    calls.append(partial(editor.post, f"/tags/{old}/merge", json={"into": new}))

    *added, merged = at_once(calls)

    assert (statuses(added), merged.status_code) == ([204] * 4, 200)
    assert sorted(found(editor, match_tags=f"{unique} old") + found(editor, match_tags=f"{unique} new")) == images


@pytest.mark.parametrize("attempt", ROUNDS)
def test_merges_of_two_tags_into_each_other_leave_one(editor: Client, unique: str, attempt: int) -> None:
    a, b = a_tag(editor, f"{unique} a"), a_tag(editor, f"{unique} b")

    responses = at_once(
        [
            lambda: editor.post(f"/tags/{a}/merge", json={"into": b}),
            lambda: editor.post(f"/tags/{b}/merge", json={"into": a}),
        ]
    )

    assert statuses(responses) == [200, 404]
    assert len(got(editor, "/tags", match=f"{unique}%")["results"]) == 1


@pytest.mark.parametrize("attempt", ROUNDS)
def test_one_of_two_deletions_finds_the_image(editor: Client, attempt: int) -> None:
    image_id = registered(editor)["id"]

    responses = at_once([lambda: editor.delete(f"/images/{image_id}")] * 2)

    assert statuses(responses) == [204, 404]


def test_eight_uploads_at_once_become_present(editor: Client, unique: str) -> None:
    images = at_once([lambda: uploaded(editor, DATA * 1000, tags=[unique])] * 8)

    assert len({image["id"] for image in images}) == 8
    assert len({image["url"].partition("?")[0] for image in images}) == 8
    assert len(found(editor, exact_tags=unique, uploaded_only="true")) == 8


def test_ids_are_unique_whoever_makes_them(editor: Client) -> None:
    made = at_once([lambda: [registered(editor)["id"] for _ in range(10)]] * 8)

    ids = [image_id for several in made for image_id in several]
    assert len(set(ids)) == 80
    assert all(several == sorted(several) for several in made)
