"""Several clients at once. Where a race decides, the test holds both requests at one lock until both are there."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

from httpx import Client, Response

from tests.contract import locks
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
from tests.contract.locks import together

Value = TypeVar("Value")


def at_once(calls: Sequence[Callable[[], Value]]) -> list[Value]:
    start = Barrier(len(calls))

    def call(what: Callable[[], Value]) -> Value:
        start.wait()
        return what()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def statuses(responses: list[Response]) -> list[int]:
    return sorted(response.status_code for response in responses)


def test_two_clients_create_images_with_the_same_new_tags(stack: dict[str, Any], editor: Client, unique: str) -> None:
    tags = [f"{unique} {number}" for number in range(10)]

    def create(ordered: list[str]) -> Callable[[], Response]:
        return lambda: editor.post("/images", json={"filename": "a.dcm", "size": 1, "tags": ordered})

    responses = together(stack, [create(tags), create(tags[::-1])], locks.NAMES)

    assert statuses(responses) == [201, 201]
    listed = got(editor, "/tags", match=f"{unique}%")["results"]
    assert names(listed) == tags
    assert {tag["image_count"] for tag in listed} == {2}
    images = sorted((response.json()["id"] for response in responses), reverse=True)
    assert found(editor, exact_tags=tags) == images


def test_of_two_changes_with_the_same_etag_one_wins(stack: dict[str, Any], editor: Client) -> None:
    image_id = registered(editor)["id"]
    etag = editor.get(f"/images/{image_id}").headers["ETag"]

    def change(writer: int) -> Callable[[], Response]:
        body = {"metadata": {"writer": writer}}
        return lambda: editor.put(f"/images/{image_id}", json=body, headers={"If-Match": etag})

    responses = together(stack, [change(1), change(2)], locks.IMAGE, image_id)

    assert statuses(responses) == [200, 412]
    (winner,) = [response for response in responses if response.status_code == 200]
    assert got(editor, f"/images/{image_id}")["metadata"] == winner.json()["metadata"]


def test_of_two_renames_with_the_same_etag_one_wins(stack: dict[str, Any], editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)
    if_match = {"If-Match": editor.get(f"/tags/{tag_id}").headers["ETag"]}

    def rename(writer: int) -> Callable[[], Response]:
        return lambda: editor.put(f"/tags/{tag_id}", json={"name": f"{unique} {writer}"}, headers=if_match)

    responses = together(stack, [rename(1), rename(2)], locks.TAG, tag_id)

    assert statuses(responses) == [200, 412]
    (winner,) = [response for response in responses if response.status_code == 200]
    assert got(editor, f"/tags/{tag_id}")["name"] == winner.json()["name"]


def test_one_of_two_creates_the_tag_and_the_other_gets_it(stack: dict[str, Any], editor: Client, unique: str) -> None:
    responses = together(stack, [lambda: editor.post("/tags", json={"name": unique})] * 2, locks.NAMES)

    assert statuses(responses) == [200, 201]
    assert len({response.json()["id"] for response in responses}) == 1


def test_one_of_two_renames_gets_the_name(stack: dict[str, Any], editor: Client, unique: str) -> None:
    tags = [a_tag(editor, f"{unique} {number}") for number in range(2)]

    renames = [partial(editor.put, f"/tags/{tag_id}", json={"name": unique}) for tag_id in tags]
    responses = together(stack, renames, locks.NAMES)

    assert statuses(responses) == [200, 409]


def test_a_tag_that_goes_while_an_image_takes_it_is_no_failure(
    stack: dict[str, Any], editor: Client, unique: str
) -> None:
    image_id, tag_id = registered(editor)["id"], a_tag(editor, unique)
    take = partial(editor.put, tag_path(image_id, unique))

    added, deleted = together(stack, [take, partial(editor.delete, f"/tags/{tag_id}")], locks.TAG, tag_id)

    assert (added.status_code, deleted.status_code) == (204, 204)
    assert names(got(editor, f"/images/{image_id}")["tags"]) in ([], [unique])
    assert tag_id not in {tag["id"] for tag in got(editor, f"/images/{image_id}")["tags"]}


def test_a_merge_while_an_image_takes_the_tag_does_not_lose_it(
    stack: dict[str, Any], editor: Client, unique: str
) -> None:
    """The image has got as far as its link, which no other transaction sees yet, when the merge begins."""
    image_id = registered(editor)["id"]
    old, new = a_tag(editor, f"{unique} old"), a_tag(editor, f"{unique} new")
    take = partial(editor.put, tag_path(image_id, f"{unique} old"))
    merge = partial(editor.post, f"/tags/{old}/merge", json={"into": new})

    added, merged = together(stack, [take, merge], locks.LINK, image_id, old)

    assert (added.status_code, merged.status_code) == (204, 200)
    assert found(editor, exact_tags=f"{unique} new") == [image_id]
    assert merged.json()["image_count"] == 1


def test_merges_of_two_tags_into_each_other_leave_one(stack: dict[str, Any], editor: Client, unique: str) -> None:
    a, b = a_tag(editor, f"{unique} a"), a_tag(editor, f"{unique} b")

    merges = [
        partial(editor.post, f"/tags/{source}/merge", json={"into": target}) for source, target in ((a, b), (b, a))
    ]
    responses = together(stack, merges, locks.TAG, a)

    assert statuses(responses) == [200, 404]
    assert len(got(editor, "/tags", match=f"{unique}%")["results"]) == 1


def test_one_of_two_deletions_finds_the_image(stack: dict[str, Any], editor: Client) -> None:
    image_id = registered(editor)["id"]

    responses = together(stack, [lambda: editor.delete(f"/images/{image_id}")] * 2, locks.IMAGE, image_id)

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
