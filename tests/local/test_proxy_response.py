"""How the function's response becomes the gateway's answer."""

import base64
import json
from typing import Any

import pytest

from local.proxy_response import MalformedResponse, translated


def _translated(**response: Any) -> Any:
    return translated(json.dumps(response).encode())


def test_status_headers_and_body_arrive() -> None:
    answer = _translated(statusCode=201, headers={"Location": "/x", "Content-Type": "a/b"}, body="ü")

    assert answer.status == 201
    assert answer.headers == [("Location", "/x"), ("Content-Type", "a/b")]
    assert answer.body == "ü".encode()


def test_several_values_of_a_header_win_over_one() -> None:
    answer = _translated(
        statusCode=200, headers={"link": "c", "Content-Type": "t"}, multiValueHeaders={"Link": ["a", "b"]}
    )

    assert answer.headers == [("Link", "a"), ("Link", "b"), ("Content-Type", "t")]


def test_base64_is_decoded() -> None:
    encoded = base64.b64encode(b"\xff\x00").decode()

    assert _translated(statusCode=200, body=encoded, isBase64Encoded=True).body == b"\xff\x00"


def test_the_gateway_itself_says_how_long_the_body_is() -> None:
    answer = _translated(statusCode=200, headers={"Content-Length": "5"}, body="abc")

    assert answer.headers == [("Content-Type", "application/json")]


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"statusCode": "many"}',
        b'{"statusCode": 7}',
        b'{"statusCode": 200, "body": {}}',
        b'{"statusCode": 200, "body": "%%%", "isBase64Encoded": true}',
        b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}',
        b'{"statusCode": 200, "headers": {"a": {}}}',
        b'{"statusCode": 200, "headers": "none"}',
    ],
)
def test_anything_else_is_malformed(response: bytes) -> None:
    with pytest.raises(MalformedResponse):
        translated(response)
