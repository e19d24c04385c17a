"""Our presigned URLs are the SDK's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest.mock import patch
from urllib.parse import SplitResult, parse_qsl, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chalicelib.aws import clients, signing, storage
from chalicelib.config import settings

BUCKET = "tagged-image-manager-images"
REGIONS = ["eu-central-1", "us-east-1", "ap-southeast-2", "us-gov-west-1", "cn-north-1"]
ENDPOINTS = [None, "http://127.0.0.1:4566", "http://localhost:80", "https://S3.example.org/base", "http://[::1]:4566"]
TOKENS = [None, "FwoGZXIvYXdzEBYaDH+/a b==" * 30]
STYLES = ["virtual", "path"]
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
FILENAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=255)
PLAIN = ("images/2026-01-01/a", "chest.dcm")
ODD = [
    PLAIN,
    ("images/a b+c~d%é/🩻.dcm", 'Größe "x" 100% + ~/🩻.dcm'),
    ("/a//b/", " "),
    ("a/../b/./c", "'; --"),
    ("%2F?#&=", "%2F?#&="),
    ("*!'()", "*!'()"),
]


@cache
def session(region: str, token: str | None, secret: str = "secret/+=") -> boto3.Session:
    return boto3.Session("AKIDEXAMPLE", secret, token, region)


@cache
def client(region: str, token: str | None, endpoint: str | None, style: str) -> Any:
    config = Config(signature_version="s3v4", s3={"addressing_style": style})
    return session(region, token).client("s3", endpoint_url=endpoint, config=config)


@contextmanager
def frozen(now: int) -> Iterator[None]:
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(now, UTC)):
        yield


def the_sdks(s3: Any, key: str, filename: str, seconds: int, now: int) -> str:
    disposition = storage.content_disposition(filename)
    as_what = {
        "ResponseCacheControl": "private, no-store",
        "ResponseContentDisposition": disposition,
        "ResponseContentEncoding": "identity",
        "ResponseContentLanguage": "zxx",
        "ResponseContentType": "application/dicom",
        "ResponseExpires": datetime.fromtimestamp(0, UTC),
    }
    parameters = {"Bucket": BUCKET, "Key": key, **as_what}
    with frozen(now):
        url: str = s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
    return url


def ours(s3: Any, used: boto3.Session, key: str, filename: str, seconds: int, now: int) -> str:
    credentials = used.get_credentials().get_frozen_credentials()
    disposition = storage.content_disposition(filename)
    place = signing.place_of(s3, BUCKET)
    return signing.presigned_get(place, credentials, key, disposition, "application/dicom", seconds, now)


def parsed(url: str) -> tuple[SplitResult, list[tuple[str, str]]]:
    """The order of the parameters says nothing."""
    parts = urlsplit(url)
    return parts._replace(query=""), sorted(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("token", TOKENS, ids=["lasting", "temporary"])
@pytest.mark.parametrize("region", REGIONS)
def test_everywhere_a_url_is_the_one_that_the_sdk_makes(
    region: str, token: str | None, endpoint: str | None, style: str
) -> None:
    s3 = client(region, token, endpoint, style)

    for key, filename in ODD:
        made = ours(s3, session(region, token), key, filename, 3600, 1_700_000_000)
        assert parsed(made) == parsed(the_sdks(s3, key, filename, 3600, 1_700_000_000))


@hypothesis_settings(deadline=None)  # the SDK takes its time over the first URL
@given(
    key=KEYS,
    filename=FILENAMES,
    token=st.sampled_from(TOKENS),
    endpoint=st.sampled_from(ENDPOINTS[:2]),
    seconds=st.integers(1, 604_800),
    now=st.integers(0, 4_000_000_000),
)
def test_whatever_its_key_and_filename_a_url_is_the_one_that_the_sdk_makes(
    key: str, filename: str, token: str | None, endpoint: str | None, seconds: int, now: int
) -> None:
    s3 = client("eu-central-1", token, endpoint, "virtual")

    made = ours(s3, session("eu-central-1", token), key, filename, seconds, now)

    assert parsed(made) == parsed(the_sdks(s3, key, filename, seconds, now))


def test_new_credentials_sign_from_then_on() -> None:
    s3 = client("eu-central-1", None, None, "virtual")
    sessions = [session("eu-central-1", None, secret) for secret in ("old", "new", "old")]

    old, new, old_again = (ours(s3, used, *PLAIN, 60, 0) for used in sessions)

    assert old == old_again != new


def test_a_new_day_has_a_new_key() -> None:
    s3, used = client("eu-central-1", None, None, "virtual"), session("eu-central-1", None)
    midnight = 1_700_006_400

    for now in (midnight - 1, midnight, midnight - 1):
        assert parsed(ours(s3, used, *PLAIN, 60, now)) == parsed(the_sdks(s3, *PLAIN, 60, now))


@pytest.mark.parametrize("token", TOKENS, ids=["lasting", "temporary"])
def test_a_signed_post_is_the_one_that_the_sdk_signs(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000
    content, target = b'{"TableName": "t"}', {"content-type": "application/x-amz-json-1.0", "x-amz-target": "D.Query"}
    credentials = signing.Credentials("AKIDEXAMPLE", "secret/+=", token)
    wanted = AWSRequest("POST", "https://dynamodb.eu-central-1.amazonaws.com/", headers=target, data=content)
    with frozen(now):
        SigV4Auth(credentials, "dynamodb", "eu-central-1").add_auth(wanted)
    monkeypatch.setattr(time, "gmtime", lambda: datetime.fromtimestamp(now, UTC).timetuple())

    headers = target | {"host": "dynamodb.eu-central-1.amazonaws.com"}
    made = signing.signed_post(credentials, ("eu-central-1", "dynamodb"), headers, content)

    assert made["authorization"] == wanted.headers["Authorization"]


@pytest.mark.parametrize("token", TOKENS, ids=["lasting", "temporary"])
def test_a_token_for_the_database_is_the_one_that_the_sdk_makes(token: str | None) -> None:
    now, rds = 1_700_000_000, session("eu-central-1", token).client("rds")
    with frozen(now):
        wanted = rds.generate_db_auth_token("proxy.example.org", 5432, "service", "eu-central-1")

    credentials = signing.Credentials("AKIDEXAMPLE", "secret/+=", token)
    made = signing.presigned_connect(credentials, "eu-central-1", "proxy.example.org:5432", "service", now)

    assert parsed("https://" + made) == parsed("https://" + wanted)


@pytest.fixture
def fresh_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    clients.s3.cache_clear()
    yield
    clients.s3.cache_clear()


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566", "http://127.0.0.1:4567"])
def test_a_download_is_signed_for_where_the_client_goes(
    endpoint: str | None, monkeypatch: pytest.MonkeyPatch, fresh_clients: None
) -> None:
    if endpoint is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.9)
    seconds = settings().download_url_seconds

    download = storage.presigned_download(*PLAIN, "application/dicom")

    assert parsed(download.url) == parsed(the_sdks(clients.s3(), *PLAIN, seconds, 1_700_000_000))
    assert download.url.startswith(endpoint or f"https://{settings().image_bucket}.s3.eu-central-1.amazonaws.com/")
    assert download.expires_timestamp == 1_700_000_000 + seconds


@pytest.mark.parametrize(
    "declared",
    ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/javascript", "multipart/x", "x/y"],
)
def test_what_a_browser_might_run_is_downloaded_as_mere_bytes(declared: str) -> None:
    assert storage.inert_type(declared) == "application/octet-stream"


@pytest.mark.parametrize("declared", ["image/png", "IMAGE/PNG", "image/png; charset=text/html", "image/png;x=y"])
def test_a_harmless_type_stays_without_its_parameters(declared: str) -> None:
    assert storage.inert_type(declared) == "image/png"
