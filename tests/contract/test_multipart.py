"""Large files: parts in pages, clients that die, checksums that are verified afterwards."""

import time
from hashlib import sha256
from typing import Any

import pytest
from httpx import Client, Response

from tests.conftest import eventually
from tests.contract.builders import DATA, Record, assert_problem, got, ids, present, registered, storage

MIB = 1024**2
GIB = 1024**3


def page(client: Client, image_id: int, first_part: int = 1) -> Record:
    response = client.post(f"/images/{image_id}/upload", json={"multipart": True, "first_part": first_part})
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    return answer


def complete(client: Client, image_id: int, parts: list[Record]) -> Response:
    named = [{"part_number": part["part_number"], "etag": part["etag"]} for part in parts]
    return client.post(f"/images/{image_id}/upload/complete", json={"parts": named})


def settled(client: Client, image_id: int) -> Record:
    """The image, once it is no longer pending."""

    def image() -> Record | None:
        record = got(client, f"/images/{image_id}")
        return None if record["status"] == "pending" else record

    return eventually(image, of=f"an end of the upload of image {image_id}") or {}


def uploaded_in_one_part(client: Client, data: bytes, **fields: Any) -> int:
    """The id of the image, not yet completed."""
    image_id: int = registered(client, len(data), **fields)["id"]
    (part,) = page(client, image_id)["parts"]
    assert storage().put(part["url"], content=data).status_code == 200
    return image_id


def test_parts_come_in_pages_of_a_thousand(editor: Client) -> None:
    size = 2001 * 64 * MIB + 1
    image_id = registered(editor, size)["id"]

    pages = [page(editor, image_id)]
    while (following := pages[-1]["next_part"]) is not None:
        pages.append(page(editor, image_id, following))

    parts = [part for each in pages for part in each["parts"]]
    assert [len(each["parts"]) for each in pages] == [1000, 1000, 2]
    assert [part["part_number"] for part in parts] == list(range(1, 2003))
    assert [part["size"] for part in parts] == [64 * MIB] * 2001 + [1]
    assert len({part["url"] for part in parts}) == 2002


def test_the_largest_file_has_ten_thousand_parts_and_no_more(editor: Client) -> None:
    image_id = registered(editor, 5 * 1024 * GIB)["id"]

    last = page(editor, image_id, 10_000)

    assert ([part["part_number"] for part in last["parts"]], last["next_part"]) == ([10_000], None)
    assert last["parts"][0]["size"] <= 5 * GIB


@pytest.mark.parametrize("first_part", [0, -1, "1", None, 10_001, 2, 1.5])
def test_a_page_begins_with_a_part_that_there_is(editor: Client, first_part: Any) -> None:
    image_id = registered(editor, 4)["id"]

    for body in ({"multipart": True, "first_part": first_part}, {"first_part": first_part}):
        assert_problem(editor.post(f"/images/{image_id}/upload", json=body), 400, field="first_part")


def test_a_client_that_dies_after_every_part_and_kept_nothing_goes_on(editor: Client) -> None:
    data = DATA + b"".join(sha256(number.to_bytes(4)).digest() * 32768 for number in range(129))
    image_id = registered(editor, len(data), checksum_sha256=sha256(data).hexdigest())["id"]
    sent = []

    while missing := [part for part in page(editor, image_id)["parts"] if part["etag"] is None]:
        part = missing[0]
        start = sum(each["size"] for each in page(editor, image_id)["parts"][: part["part_number"] - 1])
        assert storage().put(part["url"], content=data[start : start + part["size"]]).status_code == 200
        sent.append(part["part_number"])
    response = complete(editor, image_id, page(editor, image_id)["parts"])

    assert sent == [1, 2, 3]
    assert response.status_code == 200, response.text
    image = present(editor, image_id)
    assert (image["size"], image["checksum_sha256"]) == (len(data), sha256(data).hexdigest())
    assert sha256(storage().get(image["url"]).content).hexdigest() == sha256(data).hexdigest()


def test_a_declared_checksum_keeps_the_image_pending_until_it_is_verified(editor: Client) -> None:
    image_id = uploaded_in_one_part(editor, DATA, checksum_sha256=sha256(DATA).hexdigest())
    parts = page(editor, image_id)["parts"]

    assert complete(editor, image_id, parts).json()["status"] == "pending"

    assert settled(editor, image_id)["status"] == "present"
    assert complete(editor, image_id, parts).json()["status"] == "present"


def test_a_file_with_another_checksum_is_rejected_in_words(editor: Client, viewer: Client) -> None:
    declared = sha256(b"what was meant").hexdigest()
    image_id = uploaded_in_one_part(editor, b"what was sent!", checksum_sha256=declared)
    parts = page(editor, image_id)["parts"]

    complete(editor, image_id, parts)

    image = settled(editor, image_id)
    assert image["status"] == "rejected"
    assert (image["url"] is None, got(viewer, f"/images/{image_id}")["url"]) == (False, None)
    assert sha256(b"what was sent!").hexdigest() in image["rejection"]
    assert declared in image["rejection"]
    assert complete(editor, image_id, parts).json()["status"] == "rejected"
    assert_problem(editor.post(f"/images/{image_id}/upload", json={}), 409)


def test_parts_that_were_put_together_are_not_begun_anew(editor: Client) -> None:
    """While the file is being verified, say."""
    image_id = uploaded_in_one_part(editor, DATA, checksum_sha256=sha256(DATA).hexdigest())
    complete(editor, image_id, page(editor, image_id)["parts"])

    assert_problem(editor.post(f"/images/{image_id}/upload", json={"multipart": True}), 409)


def test_an_upload_of_an_image_in_the_bin_brings_nothing_into_the_lists(editor: Client) -> None:
    image_id = uploaded_in_one_part(editor, DATA)
    parts = page(editor, image_id)["parts"]

    assert editor.delete(f"/images/{image_id}").status_code == 204
    storage().put(parts[0]["url"], content=DATA)

    assert_problem(complete(editor, image_id, parts), 404)
    assert_problem(editor.post(f"/images/{image_id}/upload", json={}), 404)
    assert image_id not in ids(editor, "/images")


def test_an_image_is_uploaded_when_its_parts_are_put_together_and_not_when_the_upload_was_begun(
    editor: Client,
) -> None:
    image_id = uploaded_in_one_part(editor, DATA)
    later = int(time.time()) + 2
    eventually(lambda: time.time() >= later, of="some time between the beginning and the end of the upload")

    image = complete(editor, image_id, page(editor, image_id)["parts"]).json()

    assert later <= image["uploaded_timestamp"] <= time.time()
    assert got(editor, f"/images/{image_id}")["uploaded_timestamp"] == image["uploaded_timestamp"]
