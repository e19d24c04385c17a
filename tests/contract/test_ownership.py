"""What only the creator of an image, and admins, may do: everything that decides which file it gets, and whether it
stays. Its tags, metadata and filename are for everyone who may write."""

from collections.abc import Callable

import pytest
from httpx import Client, Response

from tests.contract.builders import (
    DATA,
    Record,
    assert_problem,
    downloaded,
    got,
    present,
    put,
    registered,
    storage,
    tag_path,
)
from tests.contract.conftest import ClientAs

Attempt = Callable[[Client, Record], Response]

ABOUT_THE_FILE: dict[str, Attempt] = {
    "a fresh URL": lambda client, image: client.post(f"/images/{image['id']}/upload"),
    "URLs of parts": lambda client, image: client.post(f"/images/{image['id']}/upload", json={"multipart": True}),
    "completing": lambda client, image: client.post(
        f"/images/{image['id']}/upload/complete", json={"parts": [{"part_number": 1, "etag": image["etag"]}]}
    ),
    "the bin": lambda client, image: client.delete(f"/images/{image['id']}"),
}
ABOUT_ITS_DESCRIPTION: dict[str, Attempt] = {
    "tags": lambda client, image: client.put(f"/images/{image['id']}", json={"tags": ["seen"]}),
    "metadata": lambda client, image: client.put(f"/images/{image['id']}", json={"metadata": {"ward": "B2"}}),
    "the filename": lambda client, image: client.put(f"/images/{image['id']}", json={"filename": "other.dcm"}),
    "one more tag": lambda client, image: client.put(tag_path(image["id"], "seen")),
    "one tag less": lambda client, image: client.delete(tag_path(image["id"], "seen")),
}
OTHERS = ["editor", "machine/write"]


@pytest.fixture
def pending(client_as: ClientAs) -> Record:
    """An image of someone else, the only part of which is in the storage; and the part's ETag."""
    owner = client_as("newcomer")
    upload = registered(owner, len(DATA))
    (part,) = owner.post(f"/images/{upload['id']}/upload", json={"multipart": True}).json()["parts"]
    return upload | {"etag": storage().put(part["url"], content=DATA).headers["ETag"]}


@pytest.mark.parametrize("attempt", ABOUT_THE_FILE.values(), ids=ABOUT_THE_FILE)
@pytest.mark.parametrize("other", OTHERS)
def test_an_editor_does_not_decide_which_file_the_image_of_another_gets(
    client_as: ClientAs, pending: Record, other: str, attempt: Attempt
) -> None:
    before = got(client_as("newcomer"), f"/images/{pending['id']}")

    assert_problem(attempt(client_as(other), pending), 403)

    assert got(client_as("newcomer"), f"/images/{pending['id']}") == before
    assert put(pending, DATA).status_code == 200
    assert downloaded(present(client_as("newcomer"), pending["id"])) == DATA


@pytest.mark.parametrize("attempt", ABOUT_THE_FILE.values(), ids=ABOUT_THE_FILE)
@pytest.mark.parametrize("who", ["newcomer", "admin"])
def test_the_creator_and_an_admin_do(client_as: ClientAs, pending: Record, who: str, attempt: Attempt) -> None:
    assert attempt(client_as(who), pending).is_success


@pytest.mark.parametrize("attempt", ABOUT_ITS_DESCRIPTION.values(), ids=ABOUT_ITS_DESCRIPTION)
@pytest.mark.parametrize("other", OTHERS)
def test_tags_metadata_and_filename_are_for_every_editor(
    client_as: ClientAs, pending: Record, other: str, attempt: Attempt
) -> None:
    assert attempt(client_as(other), pending).is_success
