"""Refusals of requests that have an Idempotency-Key: which of them are kept, and what a kept one says when it is given
again."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx import Client, Response

from tests.contract.builders import NO_IMAGE, NO_TAG, a_tag, assert_problem, registered, storage

Request = dict[str, Any]


def merging_a_tag_into_itself(client: Client, name: str) -> tuple[str, Request, Request]:
    tag_id, other = a_tag(client, name), a_tag(client, f"{name} other")
    return f"/tags/{tag_id}/merge", {"json": {"into": tag_id}}, {"json": {"into": other}}


def a_part_that_there_is_not(client: Client, _: str) -> tuple[str, Request, Request]:
    path = f"/images/{registered(client)['id']}/upload"
    return path, {"json": {"multipart": True, "first_part": 7}}, {"json": {"multipart": True}}


def too_many_parts(client: Client, _: str) -> tuple[str, Request, Request]:
    path = f"/images/{registered(client)['id']}/upload"
    (part,) = client.post(path, json={"multipart": True}).json()["parts"]
    named = [{"part_number": 1, "etag": storage().put(part["url"], content=b"data").headers["ETag"]}]
    wrong = [*named, {"part_number": 2, "etag": '"none"'}]
    return f"{path}/complete", {"json": {"parts": wrong}}, {"json": {"parts": named}}


def no_bytes(_: Client, name: str) -> tuple[str, Request, Request]:
    said = {"params": {"filename": f"{name}.dcm"}, "headers": {"Content-Type": "application/dicom"}}
    return "/upload", said | {"content": b""}, said | {"content": b"DICM"}


def a_word_too_many(_: Client, name: str) -> tuple[str, Request, Request]:
    return "/tags", {"json": {"name": name, "colour": "red"}}, {"json": {"name": name}}


MISTAKES = [merging_a_tag_into_itself, a_part_that_there_is_not, too_many_parts, no_bytes, a_word_too_many]


def sent(client: Client, path: str, key: str, request: Request) -> Response:
    return client.post(path, **request | {"headers": {"Idempotency-Key": key, **request.get("headers", {})}})


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda made: made.__name__.replace("_", " "))
def test_a_request_that_was_refused_for_its_form_can_be_corrected_with_the_same_key(
    editor: Client, unique: str, mistake: Callable[[Client, str], tuple[str, Request, Request]]
) -> None:
    path, wrong, right = mistake(editor, unique)

    assert_problem(sent(editor, path, unique, wrong), 400)
    assert_problem(sent(editor, path, unique, wrong), 400)

    assert sent(editor, path, unique, right).is_success
    assert_problem(sent(editor, path, unique, wrong), 400 if mistake is a_word_too_many else 422)


@pytest.mark.parametrize(
    ("path", "body"), [(f"/images/{NO_IMAGE}/restore", {}), (f"/tags/{NO_TAG}/merge", {"into": NO_TAG + 1})]
)
def test_a_refusal_that_is_given_again_has_the_request_id_of_the_answer_that_gives_it(
    editor: Client, unique: str, path: str, body: Request
) -> None:
    first, again = (sent(editor, path, unique, {"json": body}) for _ in range(2))

    problems = [assert_problem(answer, 404) for answer in (first, again)]
    assert problems[0]["request_id"] != problems[1]["request_id"]
    assert problems[0] | {"request_id": ""} == problems[1] | {"request_id": ""}
