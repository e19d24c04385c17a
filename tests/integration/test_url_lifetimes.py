"""URLs as the service signs them, against the emulator, which refuses what has expired."""

import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from chalicelib.aws import clients, parts, storage
from chalicelib.config import settings
from tests.conftest import eventually

DATA = b"DICM"
TYPE = "application/dicom"


@pytest.fixture
def short_lives(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every URL that is signed now is good for a second."""
    for name in ("UPLOAD_URL_SECONDS", "DOWNLOAD_URL_SECONDS"):
        monkeypatch.setenv(name, "1")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def a_key() -> str:
    return f"images/2026-01-01/{uuid.uuid4()}"


def an_upload() -> Callable[[], httpx.Response]:
    upload = storage.presigned_upload(a_key(), len(DATA), TYPE, None)
    return lambda: httpx.put(upload.url, content=DATA, headers=upload.headers)


def a_part() -> Callable[[], httpx.Response]:
    key = a_key()
    urls, _ = parts.presigned_parts(key, parts.begin(key, TYPE), {1: len(DATA)})
    return lambda: httpx.put(urls[1], content=DATA)


def a_download() -> Callable[[], httpx.Response]:
    key = a_key()
    storage.put(key, DATA, TYPE)
    download = storage.presigned_download(key, "a.dcm", TYPE)
    return lambda: httpx.get(download.url)


def a_preview() -> Callable[[], httpx.Response]:
    key = a_key()
    clients.s3().put_object(Bucket=settings().image_bucket, Key=storage.preview_key(key), Body=DATA)
    url = storage.presigned_preview(key)
    return lambda: httpx.get(url)


KINDS = {"an upload": an_upload, "a part": a_part, "a download": a_download, "a preview": a_preview}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("short_lives")
def test_a_url_whose_time_is_over_is_refused(kind: str) -> None:
    use = KINDS[kind]()
    over = time.time() + 2

    eventually(lambda: time.time() > over, of="the end of its second")

    response = use()
    assert response.status_code == 403
    assert "expired" in response.text.lower()
    assert DATA not in response.content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("database")
def test_the_same_url_in_its_time_is_good(kind: str) -> None:
    assert KINDS[kind]()().status_code == 200
