"""DynamoDB over HTTP, as far as the access log needs it.

Every request writes a record. The SDK's client would take most of a cold start to import and make, and more of a warm
request than all else that is not SQL.
"""

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from chalicelib.aws import signing
from chalicelib.aws.clients import credentials, region

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Given = TypeVar("Given")
Result = TypeVar("Result")

RECORD_SECONDS = 1
"""Short: a request waits for its record, and goes on without it rather than time out."""

PASSING = frozenset(
    {
        "ExpiredTokenException",
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Codes of errors, and reasons of a cancelled transaction, that a second try may not meet:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors.
A conflict: our own first try may still be at work when its answer was lost. An expired token is among them so that
reading the access log then answers 503; a second try seldom helps."""

PAUSE_SECONDS = (0.025, 0.1)
"""Between two tries, chosen at random, so that those who were throttled together do not come back together."""

CONNECTIONS = 8
"""As many calls are made at once by `at_once`."""

MEDIA_TYPE = "application/x-amz-json-1.0"


class DynamoDbError(Exception):
    """It refused, or did not answer; the message says which."""


def call(operation: str, request: dict[str, Any], seconds: float = RECORD_SECONDS) -> dict[str, Any]:
    """Raise DynamoDbError, also when there is no answer within twice these seconds, and Unavailable when there are no
    credentials. A call that failed for the moment is made once again, so it must do no harm twice: at once when the
    connection was lost, after a pause when DynamoDB refused it."""
    content = json.dumps(request).encode()
    try:
        return _once(operation, content, seconds)
    except RefusedError:
        pause = random.uniform(*PAUSE_SECONDS)  # noqa: S311  nothing secret depends on it
        time.sleep(pause)
        return _once(operation, content, seconds - pause)
    except PassingError:
        return _once(operation, content, seconds)


def at_once(work: Callable[[Given], Result], given: Iterable[Given]) -> list[Result]:
    """Return the results of work that calls DynamoDB, in the order of what is given. Up to `CONNECTIONS` calls are made
    at the same time, each thread over a connection of its own."""
    return list(_threads().map(work, given))


class PassingError(DynamoDbError):
    """Which may be otherwise the next time: above all, a connection that was closed while the process was frozen."""


class RefusedError(PassingError):
    """DynamoDB has answered that it cannot do it now."""


def _once(operation: str, content: bytes, seconds: float) -> dict[str, Any]:
    try:
        connection = server()
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        connection.request("POST", "/", content, _headers(operation, content, connection))
        answer = connection.getresponse()
        status, said = answer.status, answer.read()
        result: dict[str, Any] = json.loads(said) if status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        _disconnect()
        raise PassingError(f"DynamoDB does not answer: {error!r}") from error
    if status == 200:
        return result
    failure = RefusedError if status >= 500 or not PASSING.isdisjoint(_codes(said)) else DynamoDbError
    raise failure(f"DynamoDB answered {status}: {said[:500].decode(errors='replace')}")


def _codes(said: bytes) -> set[str]:
    """Return the code of an error, and the reasons for which a transaction was cancelled."""
    try:
        error = json.loads(said)
        reasons = error.get("CancellationReasons") or []
        return {str(error.get("__type", "")).rpartition("#")[2], *(str(reason.get("Code")) for reason in reasons)}
    except (ValueError, AttributeError):
        return set()


def _headers(operation: str, content: bytes, connection: http.client.HTTPConnection) -> dict[str, str]:
    host = connection.host if connection.port == connection.default_port else f"{connection.host}:{connection.port}"
    signed = {"content-type": MEDIA_TYPE, "host": host, "x-amz-target": f"DynamoDB_20120810.{operation}"}
    return signing.signed_post(credentials(), (region(), "dynamodb"), signed, content)


def server() -> http.client.HTTPConnection:
    """Return this thread's connection, kept between invocations; it connects again by itself when it was closed."""
    if (kept := getattr(_this_thread, "connection", None)) is None:
        kept = _this_thread.connection = _connection()
    connection: http.client.HTTPConnection = kept
    return connection


_this_thread = threading.local()


def _connection() -> http.client.HTTPConnection:
    default = f"https://dynamodb.{region()}.amazonaws.com"
    url = urlsplit(os.environ.get("AWS_ENDPOINT_URL_DYNAMODB") or os.environ.get("AWS_ENDPOINT_URL") or default)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname or "", url.port)


def _disconnect() -> None:
    """Close this thread's connection, with what may be left half-read in it."""
    if (connection := vars(_this_thread).pop("connection", None)) is not None:
        connection.close()


def forget() -> None:
    """Give up every connection: they are dead in a process that was restored from a snapshot."""
    _disconnect()
    if _threads.cache_info().currsize:
        _threads().shutdown()
        _threads.cache_clear()


@cache
def _threads() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(CONNECTIONS)
