"""Requests that are sent again with their Idempotency-Key, and changes that hold on to a version."""

import base64
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import pytest
from httpx import Client, Response

from tests.conftest import eventually
from tests.contract import locks
from tests.contract.builders import (
    a_tag,
    assert_problem,
    found,
    got,
    names,
    registered,
    storage,
)

OWN = {"etag", "location", "content-type"}
"""Headers that an answer has of itself; X-Request-Id is the request's."""


def key() -> str:
    return str(uuid.uuid4())


def posted(client: Client, path: str, body: Any, of: str) -> Response:
    return client.post(path, json=body, headers={"Idempotency-Key": of})


def same(first: Response, second: Response) -> bool:
    own = [{name: value for name, value in each.headers.items() if name in OWN} for each in (first, second)]
    return (first.status_code, first.content, own[0]) == (second.status_code, second.content, own[1])


def same_refusal(first: Response, second: Response) -> bool:
    """But for the id of the request, which each names as its own."""
    problems = [assert_problem(each, first.status_code) | {"request_id": ""} for each in (first, second)]
    return problems[0] == problems[1]


class Work(NamedTuple):
    """A request, and a change after which the same request without a key would be answered otherwise."""

    path: str
    body: Any
    change: Callable[[], Response]


def creating(path: str, fields: dict[str, Any]) -> Callable[[Client, str], Work]:
    """Of something that has `unique` for its tag or name."""

    def work(client: Client, unique: str) -> Work:
        rename = partial(_rename, client, unique)
        return Work(path, fields | ({"name": unique} if path == "/tags" else {"tags": [unique]}), rename)

    return work


def _rename(client: Client, name: str) -> Response:
    (tag,) = got(client, "/tags", match=name)["results"]
    return client.put(f"/tags/{tag['id']}", json={"name": f"{name} by another name"})


def merging(client: Client, unique: str) -> Work:
    old, new = a_tag(client, f"{unique} old"), a_tag(client, unique)
    return Work(f"/tags/{old}/merge", {"into": new}, partial(_rename, client, unique))


def restoring(client: Client, _: str) -> Work:
    path = f"/images/{registered(client)['id']}"
    assert client.delete(path).status_code == 204
    return Work(f"{path}/restore", {}, partial(client.put, path, json={"filename": "another.dcm"}))


def renewing(client: Client, _: str) -> Work:
    """The answer tells which parts are there; one comes in between."""
    path = f"/images/{registered(client)['id']}/upload"
    (part,) = client.post(path, json={"multipart": True}).json()["parts"]
    return Work(path, {"multipart": True}, lambda: storage().put(part["url"], content=b"data"))


def completing(client: Client, _: str) -> Work:
    image = f"/images/{registered(client)['id']}"
    (part,) = client.post(f"{image}/upload", json={"multipart": True}).json()["parts"]
    etag = storage().put(part["url"], content=b"data").headers["ETag"]
    rename = partial(client.put, image, json={"filename": "another.dcm"})
    return Work(f"{image}/upload/complete", {"parts": [{"part_number": 1, "etag": etag}]}, rename)


WORK: dict[str, Callable[[Client, str], Work]] = {
    "registering an image": creating("/images", {"filename": "a.dcm", "size": 4}),
    "uploading in one shot": creating(
        "/upload", {"filename": "a.dcm", "image_data": base64.b64encode(b"data").decode()}
    ),
    "creating a tag": creating("/tags", {}),
    "merging tags": merging,
    "restoring an image": restoring,
    "renewing an upload": renewing,
    "completing an upload": completing,
}


@pytest.mark.parametrize("what", WORK)
def test_a_request_that_comes_again_with_its_key_gets_the_first_answer(editor: Client, unique: str, what: str) -> None:
    path, body, change = WORK[what](editor, unique)
    of = key()

    first = posted(editor, path, body, of)
    assert change().is_success
    second = posted(editor, path, body, of)

    assert first.is_success, first.text
    assert same(first, second)
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert not same(first, posted(editor, path, body, key())), "without the first key nothing would differ"


@pytest.mark.parametrize("what", ["registering an image", "uploading in one shot"])
def test_what_comes_again_with_its_key_is_done_once(editor: Client, unique: str, what: str) -> None:
    path, body, _ = WORK[what](editor, unique)
    of = key()

    made = [posted(editor, path, body, of).json()["id"] for _ in range(3)]
    other = posted(editor, path, body, key()).json()["id"]

    assert found(editor, exact_tags=unique) == [other, made[0]]
    assert len(set(made)) == 1


def test_a_refusal_of_what_is_anothers_is_given_again_too(editor: Client, admin: Client) -> None:
    """Without the key it would be another refusal by then: what is in the bin of another is not found, what is out of
    it is forbidden."""
    path = f"/images/{registered(admin)['id']}"
    assert admin.delete(path).status_code == 204
    of = key()

    first = posted(editor, f"{path}/restore", {}, of)
    assert admin.post(f"{path}/restore").is_success
    second = posted(editor, f"{path}/restore", {}, of)

    assert first.status_code == 404
    assert same_refusal(first, second)
    assert posted(editor, f"{path}/restore", {}, key()).status_code == 403


def test_a_refusal_is_given_again_though_the_request_would_succeed_by_now(editor: Client, unique: str) -> None:
    old, new = a_tag(editor, f"{unique} old"), a_tag(editor, unique)
    assert editor.delete(f"/tags/{new}").status_code == 204
    of, body = key(), {"into": new}
    refused = posted(editor, f"/tags/{old}/merge", body, of)

    other = a_tag(editor, f"{unique} other")
    again = posted(editor, f"/tags/{old}/merge", body, of)

    assert refused.status_code == 404
    assert same_refusal(refused, again)
    assert posted(editor, f"/tags/{old}/merge", {"into": other}, key()).status_code == 200


def test_an_upload_that_was_completed_too_early_can_be_completed_with_the_same_key(editor: Client) -> None:
    path = f"/images/{registered(editor)['id']}/upload"
    (part,) = editor.post(path, json={"multipart": True}).json()["parts"]
    etag = '"8d777f385d3dfec8815d20f7496026dc"'  # of b"data", which has not come yet
    of, body = key(), {"parts": [{"part_number": 1, "etag": etag}]}
    assert_problem(posted(editor, f"{path}/complete", body, of), 409)

    assert storage().put(part["url"], content=b"data").headers["ETag"] == etag

    assert posted(editor, f"{path}/complete", body, of).status_code == 200


def test_a_key_that_comes_with_another_version_is_another_request(editor: Client, unique: str) -> None:
    tag_id, into, of = a_tag(editor, unique), a_tag(editor, f"{unique} 2"), key()
    merge = partial(editor.post, f"/tags/{tag_id}/merge", json={"into": into})
    assert_problem(merge(headers={"Idempotency-Key": of, "If-Match": '"stale"'}), 412)

    fresh = editor.get(f"/tags/{tag_id}").headers["ETag"]

    assert_problem(merge(headers={"Idempotency-Key": of, "If-Match": fresh}), 422)
    assert merge(headers={"Idempotency-Key": key(), "If-Match": fresh}).status_code == 200


def test_an_answer_that_is_given_again_is_in_the_access_log_with_what_the_first_one_touched(
    editor: Client, admin: Client, unique: str
) -> None:
    body, of = {"filename": "a.dcm", "size": 4, "tags": [unique]}, key()
    answers = [posted(editor, "/images", body, of) for _ in range(2)]

    listed = got(admin, "/access-log", image_id=answers[0].json()["id"])["results"]

    assert {entry["request_id"] for entry in listed} == {answer.headers["X-Request-Id"] for answer in answers}
    assert [entry["tag_ids"] for entry in listed] == [listed[0]["tag_ids"]] * 2


def test_what_was_refused_for_its_body_may_be_sent_right_with_the_same_key(editor: Client, unique: str) -> None:
    of = key()
    assert_problem(posted(editor, "/tags", {"nam": unique}, of), 400, "nam")

    assert posted(editor, "/tags", {"name": unique}, of).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [("/tags", {"name": "another"}), ("/tags", {"name": "x", "colour": 1}), ("/images", {"filename": "a", "size": 1})],
)
def test_a_key_that_comes_with_another_request_is_refused(
    editor: Client, unique: str, path: str, body: dict[str, Any]
) -> None:
    of = key()
    assert posted(editor, "/tags", {"name": unique}, of).status_code == 201

    response = posted(editor, path, body, of)

    assert_problem(response, 400 if "colour" in body else 422)
    assert "another" not in names(got(editor, "/tags", match="another")["results"])


def test_raw_bytes_are_compared_with_what_describes_them(editor: Client, unique: str) -> None:
    headers = {"Idempotency-Key": key(), "Content-Type": "application/dicom"}
    send = partial(editor.post, "/upload", headers=headers)
    first = send(params={"filename": "a.dcm", "tags": unique}, content=b"data")

    assert same(first, send(params={"tags": unique, "filename": "a.dcm"}, content=b"data"))
    assert_problem(send(params={"filename": "a.dcm", "tags": unique}, content=b"date"), 422)
    assert_problem(send(params={"filename": "b.dcm", "tags": unique}, content=b"data"), 422)
    assert len(found(editor, exact_tags=unique)) == 1


def test_a_key_is_its_callers_own(editor: Client, admin: Client, unique: str) -> None:
    of = key()

    mine = posted(editor, "/tags", {"name": unique}, of)
    theirs = posted(admin, "/tags", {"name": f"{unique} 2"}, of)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


def test_who_may_not_learns_nothing_of_a_key(viewer: Client) -> None:
    assert_problem(posted(viewer, "/tags", {"name": "x"}, key()), 403)


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"caf\xc3\xa9", b"a\tb"])
def test_a_key_that_is_none_is_refused(editor: Client, unique: str, bad: bytes) -> None:
    response = editor.post("/tags", json={"name": unique}, headers=[(b"Idempotency-Key", bad)])

    assert_problem(response, 400, "Idempotency-Key")
    assert names(got(editor, "/tags", match=unique)["results"]) == []


def test_a_key_may_have_255_characters(editor: Client, unique: str) -> None:
    assert posted(editor, "/tags", {"name": unique}, "x" * 215 + key() + " ~!{").status_code == 201


def test_of_eight_at_once_one_does_the_work_and_the_others_do_none(
    stack: dict[str, Any], editor: Client, unique: str
) -> None:
    """The first is held up amid its work: it has claimed its key, and waits for its tag."""
    tag_id = a_tag(editor, unique)
    send = partial(posted, editor, "/images", {"filename": "a.dcm", "size": 1, "tags": [unique]}, key())

    with ThreadPoolExecutor(1) as thread:
        with locks.held(stack, locks.TAG, tag_id):
            first = thread.submit(send)
            eventually(lambda: locks.waiting(stack), of="the first request at work")
            others = [send() for _ in range(7)]
        answer = first.result()

    for refused in others:
        assert_problem(refused, 409)
        assert refused.headers["Retry-After"] == "1"
    assert answer.status_code == 201
    assert all(same(answer, send()) for _ in range(7))
    assert found(editor, exact_tags=unique) == [answer.json()["id"]]


def test_two_with_different_keys_do_not_wait_for_each_other(stack: dict[str, Any], editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)
    body = {"filename": "a.dcm", "size": 1, "tags": [unique]}

    with ThreadPoolExecutor(1) as thread:
        with locks.held(stack, locks.TAG, tag_id):
            first = thread.submit(posted, editor, "/images", body, key())
            eventually(lambda: locks.waiting(stack), of="the first request at work")
            second = posted(editor, "/images", body | {"tags": []}, key())
        answer = first.result()

    assert (answer.status_code, second.status_code) == (201, 201)


# Versions of tags, and of images that are to go


def test_a_tag_is_renamed_if_it_still_is_what_was_read(editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)
    read = editor.get(f"/tags/{tag_id}").headers["ETag"]

    first = editor.put(f"/tags/{tag_id}", json={"name": f"{unique} 1"}, headers={"If-Match": read})
    second = editor.put(f"/tags/{tag_id}", json={"name": f"{unique} 2"}, headers={"If-Match": read})

    assert first.headers["ETag"] == editor.get(f"/tags/{tag_id}").headers["ETag"] != read
    assert_problem(second, 412)
    assert got(editor, f"/tags/{tag_id}")["name"] == f"{unique} 1"


def test_the_version_of_a_tag_is_not_that_of_its_count(editor: Client, unique: str) -> None:
    tag_id = a_tag(editor, unique)
    read = editor.get(f"/tags/{tag_id}").headers["ETag"]

    registered(editor, tags=[unique])

    assert editor.get(f"/tags/{tag_id}").headers["ETag"] == read


def test_a_tag_that_has_changed_is_neither_deleted_nor_merged(editor: Client, unique: str) -> None:
    tag_id, other = a_tag(editor, unique), a_tag(editor, f"{unique} other")
    stale = {"If-Match": editor.get(f"/tags/{tag_id}").headers["ETag"]}
    fresh = {"If-Match": editor.put(f"/tags/{tag_id}", json={"name": f"{unique} new"}).headers["ETag"]}

    assert_problem(editor.delete(f"/tags/{tag_id}", headers=stale), 412)
    assert_problem(editor.post(f"/tags/{tag_id}/merge", json={"into": other}, headers=stale), 412)

    merged = editor.post(f"/tags/{tag_id}/merge", json={"into": other}, headers=fresh)
    assert merged.json()["id"] == other
    assert editor.delete(f"/tags/{other}", headers={"If-Match": merged.headers["ETag"]}).status_code == 204


def test_an_image_that_has_changed_is_not_deleted(editor: Client) -> None:
    path = f"/images/{registered(editor)['id']}"
    stale = editor.get(path).headers["ETag"]
    fresh = editor.put(path, json={"metadata": {"ward": "B2"}}).headers["ETag"]

    assert_problem(editor.delete(path, headers={"If-Match": stale}), 412)
    assert editor.delete(path, headers={"If-Match": fresh}).status_code == 204
