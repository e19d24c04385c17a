"""Plays API Gateway: routes, authorises, builds the event, hands it to a worker, translates the response."""

import asyncio
import json
import math
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn

from infrastructure.resources import (
    GATEWAY_PAYLOAD_BYTES,
    GATEWAY_TIMEOUT_SECONDS,
    LAMBDA_PAYLOAD_BYTES,
    RATE_SECONDS,
    REQUEST_SECONDS,
    REQUESTS_PER_CALLER,
)
from local import Trouble, own_hosts, proxy_event
from local.api import Api, Match, Method
from local.authorizer import Authorizer, Claims, Keys, Unauthorized
from local.invocation import keep_lines_whole
from local.proxy_event import Request
from local.proxy_response import Answer, MalformedResponse, misdirected, preflight, problem, translated
from local.rates import Rates
from local.refusals import MISDIRECTED, Refused, check_head, tell
from local.slow_clients import protocol
from local.workers import WorkerFailed, Workers

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Gateway:
    def __init__(
        self,
        api: Api,
        authorizer: Authorizer,
        workers: Workers,
        rates: Rates,
        timeout: float = GATEWAY_TIMEOUT_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._api = api
        self._authorizer = authorizer
        self._workers = workers
        self._rates = rates
        self._timeout = timeout
        self._request_seconds = request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        match, caller = self._api.find(request.raw_path), Caller()
        try:
            check_head(request)
            answer = await self._answer(request, match, caller, receive)
        except Refused as refusal:
            answer = self._problem(request, refusal)
            tell(request, refusal, match.resource.path if match else None, caller.id)
        except Exception:  # noqa: BLE001  a bug of ours; the caller gets an answer in the usual shape all the same
            _say(request.id, traceback.format_exc())
            answer = problem("INTEGRATION_FAILURE", request.id, self._api)
        await _send(send, answer)

    async def _answer(self, request: Request, match: Match | None, caller: "Caller", receive: Receive) -> Answer:
        if request.method == "GET" and (page := self._page(request)):
            return page
        if match is None:
            raise Refused("MISSING_AUTHENTICATION_TOKEN")
        if request.method == "OPTIONS" and match.resource.cors:
            return preflight(match.resource.cors, request.id)
        method = match.resource.methods.get(request.method)
        if method is None:
            raise Refused("MISSING_AUTHENTICATION_TOKEN")
        claims = await self._authorize(request, method)
        caller.identify(claims)
        if wait := self._rates.wait(caller.id or ""):
            raise Refused("THROTTLED", math.ceil(wait))
        body = await self._body(receive)
        event = proxy_event.build(request, match, claims, body, self._api.binary_types)
        return await self._invoke(event, request.id)

    @staticmethod
    def _page(request: Request) -> Answer | None:
        """Of the documents, which stand beside the API."""
        if not request.raw_path.startswith("/docs"):
            return None
        from local import documents  # noqa: PLC0415  most runs of the stack never show them

        return documents.answer(request.raw_path, "".join(request.header("host")[-1:]))

    def _problem(self, request: Request, refusal: Refused) -> Answer:
        if refusal.kind == MISDIRECTED:
            return misdirected(request.id, own_hosts(request.port))
        return problem(refusal.kind, request.id, self._api, refusal.retry_after)

    async def _authorize(self, request: Request, method: Method) -> Claims | None:
        if method.scopes is None:
            return None
        try:
            return await self._authorizer.authorize(request.header("authorization"), method.scopes)
        except Unauthorized:
            raise Refused("UNAUTHORIZED") from None
        except OSError as error:
            _say(request.id, f"the keys of the user pool cannot be fetched: {error}")
            raise Refused("INTEGRATION_FAILURE") from None

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._request_seconds):
                return await _body(receive)
        except TimeoutError:
            raise Refused("REQUEST_TIMEOUT") from None

    async def _invoke(self, event: dict[str, Any], request_id: str) -> Answer:
        payload = json.dumps(event, ensure_ascii=False).encode()
        if len(payload) > LAMBDA_PAYLOAD_BYTES:
            raise Refused("REQUEST_TOO_LARGE")
        try:
            return translated(await self._workers.invoke(payload, self._timeout))
        except TimeoutError:
            _say(request_id, "no answer in time; its worker is replaced")
            raise Refused("INTEGRATION_TIMEOUT") from None
        except (WorkerFailed, MalformedResponse) as failure:
            _say(request_id, f"{type(failure).__name__}: {failure}")
            raise Refused("INTEGRATION_FAILURE") from None


@dataclass
class Caller:
    """Of one request; nobody, before its token was looked at."""

    id: str | None = None

    def identify(self, claims: Claims | None) -> None:
        self.id = str(claims.get("sub") or claims.get("client_id")) if claims else None


def _request(scope: Scope) -> Request:
    return Request(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        client=scope["client"][0],
        port=scope["server"][1],
    )


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("INTEGRATION_FAILURE")  # half a body must not reach the service as a whole one
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > GATEWAY_PAYLOAD_BYTES:
            raise Refused("REQUEST_TOO_LARGE")
    return bytes(body)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers]
    if answer.status not in (204, 304):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _say(request_id: str, what: str) -> None:
    print(json.dumps({"level": "WARNING", "message": f"Gateway: {what}", "request_id": request_id}), file=sys.stderr)


def _authorizer() -> Authorizer:
    """For the pool that the environment names."""
    _, _, _, region, _, pool = os.environ["USER_POOL_ARN"].split(":", 5)
    pool_id = pool.removeprefix("userpool/")
    keys = Keys(f"{os.environ['AWS_ENDPOINT_URL']}/{pool_id}/.well-known/jwks.json")
    return Authorizer(keys, f"https://cognito-idp.{region}.amazonaws.com/{pool_id}")


def _rates() -> Rates:
    return Rates(int(os.environ.get("REQUESTS_PER_CALLER", REQUESTS_PER_CALLER)), RATE_SECONDS)


async def serve(listener: socket.socket, ready: int, count: int, keep_open: tuple[int, ...]) -> int:
    """Writes one line to `ready`: empty when it serves, else why not."""
    workers = Workers(keep_open)
    try:
        api = Api(await workers.start(count))
    except Trouble as trouble:
        os.write(ready, f"{trouble}\n".encode())
        return 1
    seconds = float(os.environ.get("REQUEST_SECONDS", REQUEST_SECONDS))
    config = uvicorn.Config(
        Gateway(api, _authorizer(), workers, _rates(), request_seconds=seconds),
        http=protocol(api, seconds),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    os.write(ready, b"\n")
    os.close(ready)
    await uvicorn.Server(config).serve(sockets=[listener])
    return 0


def main() -> int:
    keep_lines_whole()
    listener, ready, count, *keep_open = map(int, sys.argv[1:])
    for descriptor in (listener, ready):
        os.set_inheritable(descriptor, False)
    return asyncio.run(serve(socket.socket(fileno=listener), ready, count, tuple(keep_open)))


if __name__ == "__main__":
    sys.exit(main())
