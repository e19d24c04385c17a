"""Answers name patients' images and carry URLs that open them: no cache may keep one."""

from collections.abc import Callable

import pytest
from httpx import Client, Response

from tests.contract.builders import NO_IMAGE, registered

ANSWERS: dict[str, tuple[int, Callable[[Client], Response]]] = {
    "a list": (200, lambda client: client.get("/images")),
    "a new image": (201, lambda client: client.post("/images", json={"filename": "a.dcm", "size": 1})),
    "nothing": (204, lambda client: client.delete(f"/images/{registered(client)['id']}")),
    "a refusal for its form": (400, lambda client: client.get("/images", params={"limit": 0})),
    "a refusal of Chalice": (415, lambda client: client.post("/tags", content=b"x", headers={"Content-Type": "a/b"})),
    "no permission": (403, lambda client: client.get("/access-log")),
    "no image": (404, lambda client: client.get(f"/images/{NO_IMAGE}")),
    "no such path, by the gateway": (404, lambda client: client.get("/none")),
    "no token, by the gateway": (401, lambda client: client.get("/images", headers={"Authorization": ""})),
    "too large, by the gateway": (413, lambda client: client.get("/images", params={"cursor": "x" * 11_000})),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_no_answer_may_be_kept_by_a_cache(editor: Client, what: str) -> None:
    status, ask = ANSWERS[what]

    response = ask(editor)

    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"


def test_an_answer_that_is_given_again_may_not_be_kept_either(editor: Client, unique: str) -> None:
    answers = [editor.post("/tags", json={"name": unique}, headers={"Idempotency-Key": unique}) for _ in range(2)]

    assert [answer.headers.get_list("Cache-Control") for answer in answers] == [["no-store"]] * 2


def test_a_read_with_the_etag_of_an_earlier_one_is_answered_in_full(editor: Client) -> None:
    """A 304 would say that a download URL is still good that has expired."""
    path = f"/images/{registered(editor)['id']}"
    first = editor.get(path)

    again = editor.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.json()) == (200, first.json())
