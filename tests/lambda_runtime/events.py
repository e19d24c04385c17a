"""What API Gateway, S3 and EventBridge send."""

import json
from collections.abc import Mapping
from typing import Any

from infrastructure.resources import STAGE
from local import proxy_event
from local.api import Match, Method, Resource
from local.proxy_event import Request

SUB = "5f2c8b1e-0000-4000-8000-000000000001"
CLAIMS = {
    "sub": SUB,
    "username": "ann",
    "client_id": "browser",
    "token_use": "access",
    "scope": "aws.cognito.signin.user.admin",
    "cognito:groups": ["admins"],
    "exp": 1_800_000_000,
    "iat": 1_799_996_400,
}
HEADERS = [("host", "abc123.execute-api.eu-central-1.amazonaws.com"), ("user-agent", "curl/8.5.0")]


def http(method: str, path: str, body: Mapping[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    """Of a call of a path below /v1, given as its template and the values in it, with the query behind it."""
    template, _, query = path.partition("?")
    resource = Resource(template, tuple(template.strip("/").split("/")), {method: Method(None)}, {})
    content = b"" if body is None else json.dumps(body).encode()
    headers = [*HEADERS, ("content-type", "application/json")] if content else HEADERS
    request = Request(method, f"/{STAGE}{template.format(**parameters)}", query, headers, "203.0.113.7", 443)
    return proxy_event.build(request, Match(resource, parameters), CLAIMS, content, frozenset())


def stored(key: str, name: str = "ObjectCreated:Put", **described: Any) -> dict[str, Any]:
    """S3's notification of one object."""
    thing = {"key": key, "size": 4, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0055AED6DCD90281E5"}
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-central-1",
                "eventTime": "2026-11-24T12:00:00.000Z",
                "eventName": name,
                "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
                "requestParameters": {"sourceIPAddress": "203.0.113.7"},
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "example"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "images",
                    "bucket": {
                        "name": "tagged-image-manager-images",
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": "arn:aws:s3:::tagged-image-manager-images",
                    },
                    "object": thing | described,
                },
            }
        ]
    }


def queued(message: dict[str, Any]) -> dict[str, Any]:
    """One message of a queue, as the poller of Lambda hands it over."""
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": json.dumps(message),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1764000000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:inspections",
        "awsRegion": "eu-central-1",
    }
    return {"Records": [record]}


def poisoned() -> dict[str, Any]:
    """A record that lacks what every record has."""
    event = stored("images/a")
    del event["Records"][0]["s3"]["object"]["sequencer"]
    return event


def scheduled(name: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-11-24T12:00:00Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:events:eu-central-1:000000000000:rule/{name}"],
        "detail": {},
    }
