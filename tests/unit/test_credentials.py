"""URLs that are signed with temporary credentials: the SDK's own provider fetches them from a real endpoint, and the
signatures are checked as the local storage checks them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from chalicelib.aws import clients, credentials, parts, storage
from chalicelib.config import settings
from chalicelib.errors import Unavailable
from local.front import signatures
from local.front.head import Head
from tests.credentials_endpoint import Endpoint, credentials_from_an_endpoint

KEY = "images/2026-01-01/a"
HOUR = 3600
MINUTE = 60

Signed = tuple[str, str, dict[str, str], int | None]
"""Method, URL, signed headers, and when it is said to expire."""


def an_upload() -> Signed:
    upload = storage.presigned_upload(KEY, 4, "application/dicom", "00" * 32)
    return "PUT", upload.url, upload.headers | {"Content-Length": "4"}, upload.expires_timestamp


def a_part() -> Signed:
    urls, expires = parts.presigned_parts(KEY, "upload", {1: 4, 2: 4})
    return "PUT", urls[2], {"Content-Length": "4"}, expires


def a_download() -> Signed:
    download = storage.presigned_download(KEY, "a.dcm", "application/dicom")
    return "GET", download.url, {}, download.expires_timestamp


def a_preview() -> Signed:
    return "GET", storage.presigned_preview(KEY), {}, None


KINDS = {"an upload": an_upload, "a part": a_part, "a download": a_download, "a preview": a_preview}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with credentials_from_an_endpoint(monkeypatch) as endpoint:
        yield endpoint


def checked(signed: Signed, endpoint: Endpoint) -> tuple[signatures.Signature, datetime]:
    """Its signature, which must be right, and when the session ends with whose credentials it was made."""
    method, url, headers, _ = signed
    parts_of = urlsplit(url)
    named = [("host", parts_of.netloc), *((name.lower(), value) for name, value in headers.items())]
    scope = {"method": method, "raw_path": parts_of.path.encode(), "path": parts_of.path}
    scope |= {"query_string": parts_of.query.encode()}
    head = Head.of(scope | {"headers": [(name.encode(), value.encode()) for name, value in named]})
    signature = signatures.in_query(head)
    session = endpoint.sessions[signature.key_id]
    assert signature.token == session["Token"]
    signatures.check_head(head, signature, datetime.now(UTC))
    signatures.check_value(head, signature, session["SecretAccessKey"], signatures.UNSIGNED)
    return signature, datetime.fromisoformat(session["Expiration"])


def end_of(signature: signatures.Signature) -> float:
    moment = datetime.strptime(signature.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return moment.timestamp() + (signature.seconds or 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_is_signed_for_no_longer_than_the_session_lasts_and_says_so(kind: str, endpoint: Endpoint) -> None:
    endpoint.lifetimes = [20 * MINUTE]

    signed = KINDS[kind]()

    signature, ends = checked(signed, endpoint)
    assert 19 * MINUTE < (signature.seconds or 0) <= 20 * MINUTE
    assert end_of(signature) <= ends.timestamp() + 1  # the SDK looks at the clock once more
    assert signed[3] is None or end_of(signature) - 1 <= signed[3] <= ends.timestamp()


@pytest.mark.parametrize("kind", KINDS)
def test_new_credentials_are_fetched_while_a_url_of_the_old_would_not_have_its_hour(
    kind: str, endpoint: Endpoint
) -> None:
    endpoint.lifetimes = [50 * MINUTE, 6 * HOUR]

    signature, _ = checked(KINDS[kind](), endpoint)

    assert signature.key_id == list(endpoint.sessions)[1]
    assert signature.seconds == HOUR


def test_an_endpoint_without_newer_credentials_is_not_asked_for_each_url(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PAUSE_SECONDS", HOUR)
    endpoint.lifetimes = [14 * MINUTE]

    for _ in range(50):
        for kind in KINDS.values():
            kind()

    assert endpoint.asked <= 3


@pytest.mark.parametrize("minutes", [20, 5])
def test_while_the_endpoint_does_not_answer_what_is_left_of_the_session_is_used(
    endpoint: Endpoint, minutes: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.lifetimes = [minutes * MINUTE]
    clients.session()
    endpoint.dead = True

    for _ in range(50):
        for kind in KINDS.values():
            signature, _ = checked(kind(), endpoint)
            assert (minutes - 1) * MINUTE < (signature.seconds or 0) <= minutes * MINUTE

    assert 1 <= len(caplog.records) < 10


@pytest.mark.parametrize("lifetimes", [[], [-1], [-1, -1]], ids=["no credentials", "expired", "again expired"])
def test_without_good_credentials_nothing_is_signed(endpoint: Endpoint, lifetimes: list[float]) -> None:
    endpoint.lifetimes = lifetimes
    endpoint.dead = not lifetimes

    for kind in KINDS.values():
        with pytest.raises(Unavailable):
            kind()


def test_credentials_that_come_back_are_used(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PAUSE_SECONDS", 0)
    endpoint.lifetimes = [-1]
    with pytest.raises(Unavailable):
        a_download()
    endpoint.lifetimes = [6 * HOUR]

    signature, _ = checked(a_download(), endpoint)

    assert signature.seconds == HOUR


@pytest.mark.parametrize(
    ("token", "wanted", "given"),
    [(None, 7 * 24 * HOUR, 7 * 24 * HOUR), ("token", 7 * 24 * HOUR, 4 * HOUR), ("token", HOUR, HOUR)],
)
def test_of_credentials_in_the_environment_only_temporary_ones_shorten_a_url(
    monkeypatch: pytest.MonkeyPatch, token: str | None, wanted: int, given: int
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    monkeypatch.setenv("UPLOAD_URL_SECONDS", str(wanted))
    settings.cache_clear()
    clients.forget()

    before, (_, url, _, expires) = int(time.time()), an_upload()

    monkeypatch.undo()
    settings.cache_clear()
    clients.forget()
    assert f"X-Amz-Expires={given}&" in url
    assert expires is not None
    assert 0 <= expires - given - before <= 60


def test_a_session_is_fetched_again_after_a_snapshot(endpoint: Endpoint) -> None:
    endpoint.lifetimes = [6 * HOUR, 6 * HOUR]
    before, _ = checked(a_download(), endpoint)

    clients.forget()

    after, _ = checked(a_download(), endpoint)
    assert before.key_id != after.key_id
