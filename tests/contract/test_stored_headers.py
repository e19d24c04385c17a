"""Headers that an uploader adds to the PUT without signing them. S3 stores them with the file; a download must not show
them."""

import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
import requests
from httpx import Client
from pydicom.data import get_testdata_file

from tests.contract.builders import Record, inspected, present, put, registered, storage
from tests.files import JPEG

SERVED = {
    "cache-control": "private, no-store",
    "content-encoding": "identity",
    "content-language": "zxx",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
"""What every download says instead."""

ADDED = {
    "a gzip file": {"Content-Encoding": "gzip"},
    "a deflated file": {"Content-Encoding": "deflate"},
    "a Brotli file": {"Content-Encoding": "br"},
    "two encodings": {"Content-Encoding": "gzip, gzip"},
    "a public file": {"Cache-Control": "public, max-age=31536000, immutable"},
    "a file that does not expire": {"Expires": "Fri, 31 Dec 9999 23:59:59 GMT"},
    "a language": {"Content-Language": "de, x-anything"},
    "a page to show": {"Content-Disposition": 'inline; filename="page.html"'},
}


def by_httpx(url: str) -> tuple[bytes, Mapping[str, str]]:
    answer = httpx.get(url, headers={"Accept-Encoding": "gzip, deflate, br"})
    return answer.content, answer.headers


def by_requests(url: str) -> tuple[bytes, Mapping[str, str]]:
    answer = requests.get(url, timeout=60)
    return answer.content, answer.headers


def by_urllib(url: str) -> tuple[bytes, Mapping[str, str]]:
    with urllib.request.urlopen(url) as answer:
        return answer.read(), answer.headers


CLIENTS = {"httpx": by_httpx, "requests": by_requests, "urllib": by_urllib}
Download = Callable[[str], tuple[bytes, Mapping[str, str]]]


def uploaded_with(client: Client, headers: Mapping[str, str], data: bytes = JPEG) -> Record:
    upload = registered(client, len(data), content_type="image/jpeg")
    assert put(upload, data, **headers).status_code == 200
    return present(client, upload["id"])


@pytest.mark.parametrize("download", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("headers", ADDED.values(), ids=ADDED)
def test_a_header_that_an_uploader_adds_reaches_nobody_who_downloads(
    editor: Client, headers: Mapping[str, str], download: Download
) -> None:
    image = uploaded_with(editor, headers)

    content, said = download(image["url"])

    assert content == JPEG
    assert {name: said[name] for name in SERVED} == SERVED
    assert said["content-type"] == "image/jpeg"
    assert said["content-disposition"].startswith('attachment; filename="chest.dcm"')


def test_headers_added_to_a_part_reach_nobody_either(editor: Client) -> None:
    image_id = registered(editor, len(JPEG), content_type="image/jpeg")["id"]
    (part,) = editor.post(f"/images/{image_id}/upload", json={"multipart": True}).json()["parts"]
    added = {name: value for headers in ADDED.values() for name, value in headers.items()}
    etag = storage().put(part["url"], content=JPEG, headers=added).headers["ETag"]
    finished = {"parts": [{"part_number": 1, "etag": etag}]}
    assert editor.post(f"/images/{image_id}/upload/complete", json=finished).status_code == 200

    content, said = by_httpx(present(editor, image_id)["url"])

    assert content == JPEG
    assert {name: said[name] for name in SERVED} == SERVED


def test_a_file_that_claims_to_be_compressed_is_inspected_as_it_is_and_its_preview_is_private(editor: Client) -> None:
    data = Path(str(get_testdata_file("MR_small.dcm", download=False))).read_bytes()
    image = inspected(editor, uploaded_with(editor, {"Content-Encoding": "gzip"}, data)["id"])

    content, said = by_requests(image["preview_url"])

    assert image["attributes"]["Modality"] == "MR"
    assert content[8:12] == b"WEBP"
    assert {name: said[name] for name in SERVED} == SERVED


@pytest.mark.parametrize("name", [f"response-{header}" for header in SERVED])
def test_what_a_download_says_cannot_be_changed_in_its_url(editor: Client, name: str) -> None:
    url = httpx.URL(uploaded_with(editor, {"Content-Encoding": "gzip"})["url"])

    for changed in (url.copy_set_param(name, "other"), url.copy_remove_param(name)):
        assert storage().get(changed).status_code == 403
