"""The ASGI application that stands before the emulator's own."""

import hashlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.front import rules, signatures
from local.front.bodies import LARGEST_CALL, LARGEST_OPEN, Body, Receive, Send, give, replayed, watched, whole
from local.front.head import Head
from local.front.keys import Keys
from local.front.payloads import Chain, Chunked, Payload, Unsigned, Whole
from local.front.refusals import RefusedCall, answer
from local.front.rules import Rules
from local.front.sessions import PATH, Sessions
from local.front.signatures import Signature

App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

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
    sessions: Sessions
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
            if head.path == PATH:
                self.rules.check_host(head)
                await give(self.sessions.answer(head), head, send)
                return
            checked = await self._checked(head, body)
            await self.emulator(scope, checked, send)
        except RefusedCall as refusal:
            await self._refuse(head, refusal, body, send)

    async def _checked(self, head: Head, receive: Receive) -> Receive:
        """Returns the receive function for the emulator. It checks the body as it passes, unless that was checked
        already. Raises RefusedCall."""
        self.rules.check_host(head)
        service_of_request.set(None)
        if self.rules.is_api_call(head):
            return replayed(await whole(receive, LARGEST_CALL), receive)
        if self.rules.is_preflight(head) or rules.is_ready(head):
            return replayed(await whole(receive, LARGEST_OPEN), receive)
        if self.rules.is_open(head):
            service_of_request.set("cognito-idp")
            return replayed(await whole(receive, LARGEST_OPEN), receive)
        if self.rules.is_sign_in(head):
            service_of_request.set("cognito-idp")
            body = await whole(receive, LARGEST_OPEN)
            rules.check_proof(head, body)
            return replayed(body, receive)
        if head.is_query_signed:
            return self._presigned(head, receive)
        if head.origin:
            raise RefusedCall(403, "AccessDenied", "Pages may use presigned URLs and sign in; nothing else.")
        return await self._signed(head, receive)

    def _presigned(self, head: Head, receive: Receive) -> Receive:
        if "authorization" in head.headers:
            raise RefusedCall(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                "parameter or the Authorization header should be specified",
            )
        signature = signatures.in_query(head)
        if signature.service != "s3":
            raise RefusedCall(403, "AccessDenied", "Only URLs of S3 can be presigned.")
        if "aws-chunked" in head.header("content-encoding").lower() or "x-amz-content-sha256" in head.headers:
            raise RefusedCall(
                400, "InvalidRequest", "The body of a presigned URL cannot be in the aws-chunked encoding."
            )
        self._check_value(head, signature, self._secret(head, signature), signatures.UNSIGNED)
        return receive

    async def _signed(self, head: Head, receive: Receive) -> Receive:
        if "authorization" not in head.headers:
            raise RefusedCall(403, "AccessDenied", "The request is not signed.")
        signature = signatures.in_header(head)
        declared = head.header("x-amz-content-sha256")
        secret = self._secret(head, signature)
        if signature.service == "s3":
            self._check_value(head, signature, secret, declared)
            return watched(_payload(head, signature, declared, secret), receive)
        body = await whole(receive, LARGEST_CALL)
        hashed = hashlib.sha256(body).hexdigest()
        if declared not in ("", hashed):
            raise RefusedCall(
                400, "XAmzContentSHA256Mismatch", "The body does not have the hash in x-amz-content-sha256."
            )
        self._check_value(head, signature, secret, hashed)
        return replayed(body, receive)

    def _secret(self, head: Head, signature: Signature) -> str:
        """Returns the secret that the signature has to be made with. Raises RefusedCall for a request that is invalid
        whatever its body is."""
        self.rules.check_scope(head, signature.service, signature.region)
        secret = self.keys(signature.key_id, signature.token)
        signatures.check_head(head, signature, datetime.now(UTC))
        return secret

    @staticmethod
    def _check_value(head: Head, signature: Signature, secret: str, payload: str) -> None:
        """Raises RefusedCall unless the signature is that of the request. Else the emulator may answer it."""
        signatures.check_value(head, signature, secret, payload)
        service_of_request.set(None if signature.service == "apigateway" else signature.service)

    async def _refuse(self, head: Head, refusal: RefusedCall, body_of: Body, send: Send) -> None:
        if "expect" not in head.headers:
            await body_of.drain()  # a client that still sends would not read the answer
        target, content_type = ("".join(head.headers.get(name, [])) for name in ("x-amz-target", "content-type"))
        more = self.headers_for_page(head) if head.origin and head.is_query_signed and refusal.status != 421 else {}
        await give(answer(refusal, target, content_type), head, send, more)


def _payload(head: Head, signature: Signature, declared: str, secret: str) -> Payload:
    if declared == signatures.UNSIGNED:
        return Unsigned()
    if declared in _STREAMS:
        signed, trailer = _STREAMS[declared]
        names = head.header("x-amz-trailer").lower().split(",") if trailer else []
        chain = Chain(signature.key(secret), signature, signature.value) if signed else None
        return Chunked(chain, frozenset(name.strip() for name in names), signed_trailer=signed and trailer)
    return Whole(declared)
