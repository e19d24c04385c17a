"""The event that a function gets, field by field."""

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from local import proxy_event
from local.api import Api, Match
from local.proxy_event import Request

API = Api({"binary_types": [], "routes": [{"path": "/tags/{name}", "method": "PUT", "scopes": [], "cors": None}]})
MATCH = Match(API._resources[0], {"name": "a%2Fb"})
REQUEST = Request(
    method="PUT",
    raw_path="/v1/tags/a%2Fb",
    query="x=1&x=2&y=a+b%7Cc&z",
    headers=[
        ("host", "127.0.0.1:8000"),
        ("user-agent", "pytest"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-one", "1"),
        ("x-one", "2"),
    ],
    client="127.0.0.1",
    port=8000,
    id="0b7c4ad2-1f8e-4f0e-9d7f-3f6a6ed1b1a1",
    time=1795480000.5,
)
CLAIMS = {
    "sub": "someone",
    "exp": 1795483600,
    "iat": 1795480000,
    "auth_time": 1795480000,
    "cognito:groups": ["editors", "admins"],
    "email_verified": True,
}


def _event(body: bytes = b"", claims: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    binary = frozenset({"application/dicom", "image/*"})
    return proxy_event.build(replace(REQUEST, **changed), MATCH, claims, body, binary)


def test_every_field_is_there() -> None:
    event = _event(claims=CLAIMS)

    trace = event["headers"]["X-Amzn-Trace-Id"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)
    assert event == {
        "resource": "/tags/{name}",
        "path": "/tags/a%2Fb",
        "httpMethod": "PUT",
        "headers": {
            "Host": "127.0.0.1:8000",
            "User-Agent": "pytest",
            "X-One": "2",
            "X-Amzn-Trace-Id": trace,
            "X-Forwarded-For": "9.9.9.9, 127.0.0.1",
            "X-Forwarded-Port": "8000",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Host": ["127.0.0.1:8000"],
            "User-Agent": ["pytest"],
            "X-One": ["1", "2"],
            "X-Amzn-Trace-Id": [trace],
            "X-Forwarded-For": ["9.9.9.9, 127.0.0.1"],
            "X-Forwarded-Port": ["8000"],
            "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": {"x": "2", "y": "a b|c", "z": ""},
        "multiValueQueryStringParameters": {"x": ["1", "2"], "y": ["a b|c"], "z": [""]},
        "pathParameters": {"name": "a%2Fb"},
        "stageVariables": None,
        "requestContext": {
            "resourceId": event["requestContext"]["resourceId"],
            "resourcePath": "/tags/{name}",
            "httpMethod": "PUT",
            "extendedRequestId": "MGI3YzRhZDItMWY=",
            "requestTime": "24/Nov/2026:00:26:40 +0000",
            "path": "/v1/tags/a%2Fb",
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": "v1",
            "domainPrefix": "127",
            "requestTimeEpoch": 1795480000500,
            "requestId": REQUEST.id,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "apiKey": None,
                "apiKeyId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "127.0.0.1",
                "user": None,
                "userAgent": "pytest",
                "userArn": None,
            },
            "domainName": "127.0.0.1:8000",
            "deploymentId": "local",
            "apiId": "local",
            "authorizer": {
                "claims": {
                    "sub": "someone",
                    "exp": "Tue Nov 24 01:26:40 UTC 2026",
                    "iat": "Tue Nov 24 00:26:40 UTC 2026",
                    "auth_time": "1795480000",
                    "cognito:groups": "editors,admins",
                    "email_verified": "true",
                }
            },
        },
        "body": None,
        "isBase64Encoded": False,
    }


def test_it_is_json() -> None:
    event = _event(claims=CLAIMS, body=b"\xff")

    assert json.loads(json.dumps(event)) == event


def test_no_query_is_null_in_both_forms() -> None:
    event = _event(query="")

    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None


def test_without_an_authorizer_there_are_no_claims() -> None:
    assert "authorizer" not in _event()["requestContext"]


@pytest.mark.parametrize("content_type", ["application/dicom", "Application/DICOM; version=1", "image/png"])
def test_a_body_of_a_binary_type_is_base64(content_type: str) -> None:
    event = _event(body=b"\xff\x00", headers=[("content-type", content_type)])

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_any_other_body_is_text_whatever_bytes_it_has() -> None:
    event = _event(body="ü".encode() + b"\xff", headers=[("content-type", "application/json")])

    assert event["isBase64Encoded"] is False
    assert event["body"] == "ü\N{REPLACEMENT CHARACTER}"
