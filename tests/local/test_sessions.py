"""The service's processes have temporary credentials, which end as those of a function on AWS do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.emulator import REGION
from local.front.sessions import PATH, Sessions
from tests.local.emulation import CONTENT, KEY, Emulation, running_emulator

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def emulation() -> Iterator[Emulation]:
    with running_emulator() as running:
        yield running


@pytest.fixture(scope="module")
def sessions(emulation: Emulation) -> Sessions:
    return Sessions(emulation.stack["aws_secret_access_key"])


def client(emulation: Emulation, service: str, session: dict[str, str]) -> Any:
    named = (session["AccessKeyId"], session["SecretAccessKey"], session["Token"], REGION)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}) if service == "s3" else None
    return boto3.Session(*named).client(service, endpoint_url=emulation.url, config=config)


def url(emulation: Emulation, session: dict[str, str]) -> str:
    """Of the file, for an hour."""
    where = {"Bucket": emulation.stack["bucket"], "Key": KEY}
    signed: str = client(emulation, "s3", session).generate_presigned_url("get_object", Params=where, ExpiresIn=3600)
    return signed


def given(emulation: Emulation, **headers: str) -> httpx.Response:
    return httpx.get(emulation.url + PATH, headers=headers)


def test_the_endpoint_gives_whoever_has_its_token_a_session_of_some_hours(
    emulation: Emulation, sessions: Sessions
) -> None:
    session = given(emulation, Authorization=sessions.authorization()).json()

    left = datetime.fromisoformat(session["Expiration"]) - datetime.now(UTC)
    assert timedelta(hours=1) < left < timedelta(hours=12)
    assert session["AccessKeyId"].startswith("ASIA")
    assert httpx.get(url(emulation, session)).content == CONTENT
    assert client(emulation, "s3", session).list_objects_v2(Bucket=emulation.stack["bucket"])["KeyCount"] == 1
    assert client(emulation, "dynamodb", session).scan(TableName=emulation.stack["access_log_table"])["Count"] == 0
    assert client(emulation, "sqs", session).receive_message(QueueUrl=emulation.stack["inspection_queue"])


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "0" * 64}, {"Host": "evil.example"}, {"Origin": "https://a.example"}],
    ids=str,
)
def test_the_endpoint_gives_nobody_else_anything(
    emulation: Emulation, sessions: Sessions, headers: dict[str, str]
) -> None:
    allowed = {"Authorization": sessions.authorization()} if {"Host", "Origin"} & set(headers) else {}

    response = given(emulation, **allowed, **headers)

    assert response.status_code in (403, 421)
    assert "ASIA" not in response.text


def test_a_url_ends_with_the_session_that_signed_it(emulation: Emulation, sessions: Sessions) -> None:
    response = httpx.get(url(emulation, sessions.begin(-MINUTE)))

    assert response.status_code == 400
    assert "<Code>ExpiredToken</Code>" in response.text
    assert CONTENT not in response.content


@pytest.mark.parametrize(("service", "operation"), [("s3", "list_buckets"), ("dynamodb", "list_tables")])
def test_calls_end_with_the_session_too(emulation: Emulation, sessions: Sessions, service: str, operation: str) -> None:
    with pytest.raises(ClientError, match="ExpiredToken"):
        getattr(client(emulation, service, sessions.begin(-MINUTE)), operation)()


@pytest.mark.parametrize("what", ["AccessKeyId", "SecretAccessKey", "Token"])
def test_what_is_not_of_one_session_is_refused(emulation: Emulation, sessions: Sessions, what: str) -> None:
    mixed = sessions.begin() | {what: sessions.begin()[what]}

    response = httpx.get(url(emulation, mixed))

    assert response.status_code in (400, 403)
    assert CONTENT not in response.content


def test_a_session_of_another_stack_is_none(emulation: Emulation) -> None:
    assert httpx.get(url(emulation, Sessions("another secret").begin())).status_code == 400


def test_the_processes_of_the_service_have_no_lasting_key(stack: dict[str, Any]) -> None:
    secrets = [stack[name].encode() for name in ("aws_access_key_id", "aws_secret_access_key")]
    fetches = f"AWS_CONTAINER_CREDENTIALS_FULL_URI={stack['aws_endpoint_url']}/".encode()
    of_service = [
        environment for environment in map(_read, Path("/proc").glob("[0-9]*/environ")) if fetches in environment
    ]

    assert len(of_service) >= 4  # gateway or workers, delivery, inspection, schedules
    assert not any(secret in environment for environment in of_service for secret in secrets)


def _read(environment: Path) -> bytes:
    try:
        return environment.read_bytes()
    except OSError:
        return b""  # it ended just now
