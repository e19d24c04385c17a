"""The ASGI application that stands before the emulator's own."""

import hashlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.front import rules, signatures
from local.front.head import Head
from local.front.keys import Keys
from local.front.payloads import Chain, Chunked, Payload, Unsigned, Whole
from local.front.refusals import Refused, answer
from local.front.rules import Rules
from local.front.signatures import Signature

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_LARGEST_CALL = 20_000_000
"""Bytes of a body that has to be read before its signature can be checked; no object of S3 is one."""

_STREAMS = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
}
"""Whether the chunks are signed, and whether a trailer follows them."""

service_of_request: ContextVar[str | None] = ContextVar("service_of_request", default=None)
"""For which service the request was let through; the emulator must not find another in what is not signed."""


@dataclass(frozen=True)
class Front:
    emulator: App
    rules: Rules
    keys: Keys
    headers_for_page: Callable[[Head], dict[str, str]]
    """What lets a page read the answer to a presigned URL, by the rules of the bucket."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.emulator(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        head, body = Head.of(scope), Body(receive)
        try:
            checked = await self._checked(head, body)
            await self.emulator(scope, checked, send)
        except Refused as refusal:
            await self._refuse(head, refusal, body, send)

    async def _checked(self, head: Head, receive: Receive) -> Receive:
        """Gives the body on once it has been checked, or while it is. Raises Refused, now or then."""
        self.rules.check_host(head)
        service_of_request.set(None)
        if self.rules.is_preflight(head) or self.rules.is_api_call(head):
            return receive
        if self.rules.is_open(head):
            service_of_request.set("cognito-idp")
            return receive
        if self.rules.is_sign_in(head):
            service_of_request.set("cognito-idp")
            body = await _whole(receive)
            rules.check_proof(head, body)
            return _replayed(body, receive)
        if head.is_query_signed:
            return self._presigned(head, receive)
        if head.origin:
            raise Refused(403, "AccessDenied", "Pages may use presigned URLs and sign in; nothing else.")
        if (head.method, head.path) == ("GET", rules.READY):
            return receive
        return await self._signed(head, receive)

    def _presigned(self, head: Head, receive: Receive) -> Receive:
        if "authorization" in head.headers:
            raise Refused(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                "parameter or the Authorization header should be specified",
            )
        signature = signatures.in_query(head)
        if signature.service != "s3":
            raise Refused(403, "AccessDenied", "Only URLs of S3 can be presigned.")
        if "aws-chunked" in head.header("content-encoding").lower() or "x-amz-content-sha256" in head.headers:
            raise Refused(400, "InvalidRequest", "The body of a presigned URL cannot be in the aws-chunked encoding.")
        self._check(head, signature, signatures.UNSIGNED)
        return receive

    async def _signed(self, head: Head, receive: Receive) -> Receive:
        if "authorization" not in head.headers:
            raise Refused(403, "AccessDenied", "The request is not signed.")
        signature = signatures.in_header(head)
        declared = head.header("x-amz-content-sha256")
        if signature.service == "s3":
            secret = self._check(head, signature, declared)
            return _watched(_payload(head, signature, declared, secret), receive)
        body = await _whole(receive)
        hashed = hashlib.sha256(body).hexdigest()
        if declared not in ("", hashed):
            raise Refused(400, "XAmzContentSHA256Mismatch", "The body does not have the hash in x-amz-content-sha256.")
        self._check(head, signature, hashed)
        return _replayed(body, receive)

    def _check(self, head: Head, signature: Signature, payload: str) -> str:
        """Gives the secret that the signature was made with. Raises Refused."""
        self.rules.check_scope(head, signature.service, signature.region)
        secret = self.keys(signature.key_id, signature.token)
        signatures.check_head(head, signature, datetime.now(UTC))
        signatures.check_value(head, signature, secret, payload)
        service_of_request.set(None if signature.service == "apigateway" else signature.service)
        return secret

    async def _refuse(self, head: Head, refusal: Refused, body_of: "Body", send: Send) -> None:
        if "expect" not in head.headers:
            await body_of.drain()  # a client that still sends would not read the answer
        target, content_type = ("".join(head.headers.get(name, [])) for name in ("x-amz-target", "content-type"))
        status, kind, body = answer(refusal, target, content_type)
        more = self.headers_for_page(head) if head.origin and head.is_query_signed and status != 421 else {}
        headers = {"content-type": kind, "content-length": str(len(body)), **more}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else body})


class Body:
    """What the client sends, and whether all of it has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        while not self._ended:
            await self()


def _payload(head: Head, signature: Signature, declared: str, secret: str) -> Payload:
    if declared == signatures.UNSIGNED:
        return Unsigned()
    if declared in _STREAMS:
        signed, trailer = _STREAMS[declared]
        names = head.header("x-amz-trailer").lower().split(",") if trailer else []
        chain = Chain(signature.key(secret), signature, signature.value) if signed else None
        return Chunked(chain, frozenset(name.strip() for name in names), signed_trailer=signed and trailer)
    return Whole(declared)


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_CALL:
            raise Refused(413, "RequestEntityTooLarge", "The body of a call may have at most 20 MB.")
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def _watched(payload: Payload, receive: Receive) -> Receive:
    async def next_message() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            payload.feed(message.get("body", b""))
            if not message.get("more_body", False):
                payload.finish()
        return message

    return next_message
