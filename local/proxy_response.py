"""What the gateway answers: the function's response translated, or a problem of its own making."""

import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from typing import Any

from infrastructure.resources import CACHE_CONTROL, GATEWAY_RESPONSES, LOCAL_GATEWAY_RESPONSES
from local.api import Api

PROBLEM_TYPE_BASE = os.environ.get("PROBLEM_TYPE_BASE", "https://tagged-image-manager.example/problems/")
_OURS = ("content-length", "connection", "transfer-encoding")


class MalformedResponse(Exception):
    """It is not of the form that the proxy integration asks for."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def translated(response: bytes) -> Answer:
    """Raises MalformedResponse."""
    try:
        given = json.loads(response)
        return Answer(_status(given), _headers(given), _body(given))
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise MalformedResponse(str(error)) from None


def problem(kind: str, request_id: str, api: Api, retry_after: int | None = None) -> Answer:
    """One of GATEWAY_RESPONSES or LOCAL_GATEWAY_RESPONSES."""
    status, slug, title, detail = (GATEWAY_RESPONSES | LOCAL_GATEWAY_RESPONSES)[kind]
    content = {
        "type": PROBLEM_TYPE_BASE + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    headers = [
        ("Content-Type", "application/problem+json"),
        ("X-Request-Id", request_id),
        ("Cache-Control", CACHE_CONTROL),
    ]
    if kind == "REQUEST_TIMEOUT":
        headers.append(("Connection", "close"))
    if kind == "UNAUTHORIZED":
        headers.append(("WWW-Authenticate", "Bearer"))
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    shared = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
    headers += [(name, api.cors[name]) for name in shared if name in api.cors]
    return Answer(status, headers, json.dumps(content).encode())


def misdirected(request_id: str, hosts: tuple[str, ...]) -> Answer:
    """For no page to read: without the headers that would let one of another origin."""
    content = {
        "type": "about:blank",
        "title": "Misdirected Request",
        "status": 421,
        "detail": f"The header Host must be {' or '.join(hosts)}; nothing else is served here.",
        "request_id": request_id,
    }
    headers = [
        ("Content-Type", "application/problem+json"),
        ("X-Request-Id", request_id),
        ("Cache-Control", CACHE_CONTROL),
    ]
    return Answer(421, headers, json.dumps(content).encode())


def preflight(cors: dict[str, str], request_id: str) -> Answer:
    """The mock integration that Chalice deploys for OPTIONS."""
    headers = [("Content-Type", "application/json"), ("X-Request-Id", request_id), *cors.items()]
    return Answer(200, headers, b"{}")


def _status(given: Any) -> int:
    status = int(given["statusCode"])
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}")
    return status


def _headers(given: Any) -> list[tuple[str, str]]:
    several = {name: values for name, values in (given.get("multiValueHeaders") or {}).items() if values}
    repeated = {name.lower() for name in several}
    single = {name: [v] for name, v in (given.get("headers") or {}).items() if name.lower() not in repeated}
    pairs = [(name, _text(value)) for name, values in (several | single).items() for value in values]
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", "application/json"))
    return [(name, value) for name, value in pairs if name.lower() not in _OURS]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or any(mark in str(value) for mark in "\r\n\0"):
        raise TypeError("a header is not a line of text")
    return str(value)


def _body(given: Any) -> bytes:
    body = given.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError("the body is not text")
    return base64.b64decode(body, validate=True) if given.get("isBase64Encoded") is True else body.encode()
