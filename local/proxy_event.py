"""The event of API Gateway's Lambda proxy integration for REST APIs, version 1.0.

In it both paths and the path parameters are percent-encoded as the client sent them, while the query's parameters are
decoded. Published captures of real events show this, for example the "invocation-payload-with-path-encoded-email" and
"…-params-encoding" that LocalStack recorded on AWS:
https://github.com/localstack/localstack/blob/main/tests/aws/services/apigateway/test_apigateway_lambda.snapshot.json
"""

import base64
import secrets
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from infrastructure.resources import STAGE
from local.api import Match
from local.authorizer import Claims
from local.emulator import ACCOUNT

API_ID = "local"
_DATES = ("exp", "iat")
_NOBODY = (
    "accessKey",
    "accountId",
    "apiKey",
    "apiKeyId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
_FORWARDED = ("X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")


@dataclass(frozen=True)
class Request:
    method: str
    raw_path: str
    query: str
    headers: list[tuple[str, str]]
    """Names in lower case, as often as they came."""
    client: str
    port: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: float = field(default_factory=time.time)

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def build(
    request: Request, match: Match, claims: Claims | None, body: bytes, binary_types: frozenset[str]
) -> dict[str, Any]:
    headers = _headers(request)
    query = _grouped(parse_qsl(request.query, keep_blank_values=True, errors="replace"))
    return {
        "resource": match.resource.path,
        "path": request.raw_path.removeprefix(f"/{STAGE}") or "/",
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": match.parameters or None,
        "stageVariables": None,
        "requestContext": _context(request, match.resource.path, claims),
        **_body(request, body, binary_types),
    }


def _context(request: Request, resource: str, claims: Claims | None) -> dict[str, Any]:
    domain = "".join(request.header("host")[-1:])
    said = {name: _claim(name, value) for name, value in (claims or {}).items()}
    return {
        "resourceId": f"{zlib.crc32(resource.encode()):08x}"[:6],
        "resourcePath": resource,
        "httpMethod": request.method,
        "extendedRequestId": base64.b64encode(request.id.encode()[:11]).decode(),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.time)),
        "path": request.raw_path,
        "accountId": ACCOUNT,
        "protocol": "HTTP/1.1",
        "stage": STAGE,
        "domainPrefix": domain.partition(".")[0],
        "requestTimeEpoch": int(request.time * 1000),
        "requestId": request.id,
        "identity": _identity(request),
        "domainName": domain,
        "deploymentId": API_ID,
        "apiId": API_ID,
        **({"authorizer": {"claims": said}} if claims is not None else {}),
    }


def _identity(request: Request) -> dict[str, str | None]:
    agent = request.header("user-agent")
    return {
        **dict.fromkeys(_NOBODY),
        "sourceIp": request.client,
        "userAgent": agent[-1] if agent else None,
    }


def _claim(name: str, value: Any) -> str:
    """Everything as text: groups with commas between, two of the times as a date, the others as digits."""
    if name in _DATES:
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _headers(request: Request) -> dict[str, list[str]]:
    """By their usual spelling, which API Gateway keeps and the HTTP parser does not."""
    headers = _grouped([(name.title(), value) for name, value in request.headers])
    forwarded = ", ".join([*headers.get("X-Forwarded-For", []), request.client])
    trace = f"Root=1-{int(request.time):08x}-{secrets.token_hex(12)}"
    ours = zip(_FORWARDED, (trace, forwarded, str(request.port), "http"), strict=True)
    return headers | {name: [value] for name, value in ours}


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _body(request: Request, body: bytes, binary_types: frozenset[str]) -> dict[str, Any]:
    """Binary by the type that the request gives itself, text otherwise, whatever bytes there are."""
    if not body:
        return {"body": None, "isBase64Encoded": False}
    content_type = "".join(request.header("content-type")[-1:]).partition(";")[0].strip().lower()
    if _is_binary(content_type, binary_types):
        return {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}
    return {"body": body.decode("utf-8", errors="replace"), "isBase64Encoded": False}


def _is_binary(content_type: str, binary_types: frozenset[str]) -> bool:
    wildcard = content_type.partition("/")[0] + "/*"
    return not binary_types.isdisjoint((content_type, wildcard, "*/*"))
