"""A presigned URL is for one file at one place: with anything of it changed the storage refuses it, nothing has
happened, and the right PUT still succeeds."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from httpx import Client

from tests.contract.builders import DATA, Record, got, inspected, one_shot, present, put, registered, storage

Change = Callable[[httpx.URL], httpx.URL]

OTHER = b"evil"
HOUR = 3600


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def parameter(name: str, value: str) -> Change:
    return lambda url: url.copy_set_param(name, value)


def without(name: str) -> Change:
    return lambda url: url.copy_remove_param(name)


def path(change: Callable[[str], str]) -> Change:
    return lambda url: url.copy_with(path=change(url.path))


CHANGES: dict[str, Change] = {
    "another key": path(lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")),
    "a key below it": path(lambda text: text + "/more"),
    "the folder": path(lambda text: text.rpartition("/")[0] + "/"),
    "a key outside of images": path(lambda text: text.replace("/images/", "/other/", 1)),
    "a key by way of two dots": path(lambda text: text.replace("/images/", "/images/../other/", 1)),
    "another bucket": path(lambda text: "/another-bucket/" + text.split("/", 2)[2]),
    "a later expiry": parameter("X-Amz-Expires", "604800"),
    "no expiry": without("X-Amz-Expires"),
    "an earlier date": parameter("X-Amz-Date", "20200101T000000Z"),
    "a later date": parameter("X-Amz-Date", "20990101T000000Z"),
    "another caller": parameter("X-Amz-Credential", "other/20990101/eu-central-1/s3/aws4_request"),
    "other signed headers": parameter("X-Amz-SignedHeaders", "host;x-more"),
    "another signature": parameter("X-Amz-Signature", "0" * 64),
    "half a signature": parameter("X-Amz-Signature", "0" * 32),
    "no signature": without("X-Amz-Signature"),
    "an empty signature": parameter("X-Amz-Signature", ""),
    "another algorithm": parameter("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"),
    "no algorithm": without("X-Amz-Algorithm"),
    "nothing of the signature": lambda url: url.copy_with(query=None),
    "a word more": parameter("acl", ""),
    "an upload in parts": parameter("uploads", ""),
    "a version": parameter("versionId", "1"),
    "public reading": parameter("x-amz-acl", "public-read"),
}
HEADERS = {
    "more bytes": (DATA + b"more", {}),
    "fewer bytes": (DATA[:-1], {}),
    "other bytes": (OTHER, {}),
    "another type": (DATA, {"Content-Type": "text/html"}),
    "another checksum": (OTHER, {"x-amz-checksum-sha256": sha256(OTHER)}),
    "another condition": (DATA, {"If-None-Match": '"etag"'}),
}


@pytest.fixture
def upload(editor: Client) -> Record:
    return registered(editor, len(DATA), content_type="image/png", checksum_sha256=hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def in_the_end_it_takes_the_right_file(editor: Client, upload: Record) -> Iterator[None]:
    """Whatever was tried before: the image still waits, and the right PUT is taken."""
    yield
    assert got(editor, f"/images/{upload['id']}")["status"] == "pending"
    assert put(upload, DATA).status_code == 200
    image = present(editor, upload["id"])
    assert (image["size"], image["checksum_sha256"]) == (len(DATA), hashlib.sha256(DATA).hexdigest())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.usefixtures("in_the_end_it_takes_the_right_file")
def test_an_upload_url_with_something_changed_is_refused(upload: Record, change: Change) -> None:
    url = change(httpx.URL(upload["upload_url"]))

    assert 400 <= storage().put(url, content=DATA, headers=upload["upload_headers"]).status_code < 500


@pytest.mark.parametrize(("content", "headers"), HEADERS.values(), ids=HEADERS)
@pytest.mark.usefixtures("in_the_end_it_takes_the_right_file")
def test_an_upload_of_something_else_is_refused(upload: Record, content: bytes, headers: dict[str, str]) -> None:
    assert 400 <= put(upload, content, **headers).status_code < 500


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "PATCH"])
@pytest.mark.usefixtures("in_the_end_it_takes_the_right_file")
def test_an_upload_url_is_for_no_other_method(upload: Record, method: str) -> None:
    response = storage().request(method, upload["upload_url"], content=DATA, headers=upload["upload_headers"])

    assert response.status_code in {400, 403, 405}


def seconds_of(url: str) -> tuple[int, int]:
    """When it was signed, and for how long."""
    signed = httpx.URL(url).params
    moment = datetime.strptime(signed["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()), int(signed["X-Amz-Expires"])


def test_every_url_is_signed_for_an_hour_from_now_and_the_answer_tells_its_end(editor: Client) -> None:
    """That the storage keeps to it: tests/integration/test_url_lifetimes.py."""
    before = int(time.time())
    pending = registered(editor, len(DATA))
    renewed = editor.post(f"/images/{pending['id']}/upload", json={}).json()
    in_parts = editor.post(f"/images/{pending['id']}/upload", json={"multipart": True}).json()
    image = one_shot(editor)
    shown = inspected(editor, image["id"])

    told = {
        pending["upload_url"]: pending["upload_expires_timestamp"],
        renewed["upload_url"]: renewed["upload_expires_timestamp"],
        in_parts["parts"][0]["url"]: in_parts["upload_expires_timestamp"],
        image["url"]: image["url_expires_timestamp"],
        shown["url"]: shown["url_expires_timestamp"],
    }
    for url, end in told.items():
        moment, seconds = seconds_of(url)
        assert (before <= moment <= time.time(), seconds) == (True, HOUR)
        assert moment + seconds - 1 <= end <= moment + seconds + 1  # the two look at the clock one after the other


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_download_url_with_something_changed_opens_nothing(editor: Client, change: Change) -> None:
    image = one_shot(editor)

    response = storage().get(change(httpx.URL(image["url"])))

    assert 400 <= response.status_code < 500
    assert DATA not in response.content


def test_the_url_of_one_image_opens_no_other(editor: Client) -> None:
    one, other = (httpx.URL(one_shot(editor, data)["url"]) for data in (b"one", b"other"))

    assert storage().get(one.copy_with(path=other.path)).status_code == 403
