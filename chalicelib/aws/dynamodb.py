"""DynamoDB over HTTP, as far as the access log needs it.

Every request writes a record. The SDK's client would take most of a cold start to import and make, and more of a warm
request than all else that is not SQL.
"""

import http.client
import json
import os
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from chalicelib.aws import signing
from chalicelib.aws.clients import credentials, region

RECORD_SECONDS = 1
"""Short: a request waits for its record, and goes on without it rather than time out."""

PASSING = (b"Throttling", b"ThroughputExceeded", b"TransactionConflict", b"TransactionInProgress")
"""Errors that a second try may not meet. A conflict: our own first try may still be at work when its answer was
lost."""

MEDIA_TYPE = "application/x-amz-json-1.0"


class DynamoDbError(Exception):
    """It refused, or did not answer; the message says which."""


def call(operation: str, request: dict[str, Any], seconds: float = RECORD_SECONDS) -> dict[str, Any]:
    """Raises DynamoDbError, also when there is no answer within the seconds. What may be tried again is tried again, so
    only what does no harm twice may be asked."""
    content = json.dumps(request).encode()
    try:
        return _once(operation, content, seconds)
    except PassingError:
        return _once(operation, content, seconds)


class PassingError(DynamoDbError):
    """Which may be otherwise the next time: above all, a connection that was closed while the process was frozen."""


def _once(operation: str, content: bytes, seconds: float) -> dict[str, Any]:
    try:
        connection = server()
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        connection.request("POST", "/", content, _headers(operation, content, connection))
        answer = connection.getresponse()
        status, said = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        forget()
        raise PassingError(f"DynamoDB does not answer: {error!r}") from error
    if status == 200:
        result: dict[str, Any] = json.loads(said)
        return result
    passing = status >= 500 or any(code in said for code in PASSING)
    failure = PassingError if passing else DynamoDbError
    raise failure(f"DynamoDB answered {status}: {said[:500].decode(errors='replace')}")


def _headers(operation: str, content: bytes, connection: http.client.HTTPConnection) -> dict[str, str]:
    host = connection.host if connection.port == connection.default_port else f"{connection.host}:{connection.port}"
    signed = {"content-type": MEDIA_TYPE, "host": host, "x-amz-target": f"DynamoDB_20120810.{operation}"}
    return signing.signed_post(credentials(), (region(), "dynamodb"), signed, content)


@cache
def server() -> http.client.HTTPConnection:
    """The connection, kept between invocations; it connects again by itself when it was closed."""
    default = f"https://dynamodb.{region()}.amazonaws.com"
    url = urlsplit(os.environ.get("AWS_ENDPOINT_URL_DYNAMODB") or os.environ.get("AWS_ENDPOINT_URL") or default)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname or "", url.port)


def forget() -> None:
    """The connection, and what may be left half-read in it."""
    if server.cache_info().currsize:
        server().close()
        server.cache_clear()
