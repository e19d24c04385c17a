"""Closes connections on which no request, or only the beginning of one, comes in time."""

import asyncio
import uuid
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.api import Api
from local.proxy_response import problem


def protocol(api: Api, seconds: float) -> type[asyncio.Protocol]:
    """Of a server that waits so long for a request's line and headers. The body is the gateway's to wait for."""

    class ImpatientProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle
        _begun = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begun = True
            self._deadline.cancel()
            self._wait()

        def on_headers_complete(self) -> None:
            self._deadline.cancel()
            self._begun = False
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._deadline = self.loop.call_later(seconds, self._give_up)

        def _give_up(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._wait()  # the client would take a 408 now for the answer to the request before
                return
            if self._begun:
                self.transport.write(_timed_out(api))
            self.transport.close()

    return ImpatientProtocol


def _timed_out(api: Api) -> bytes:
    answer = problem("REQUEST_TIMEOUT", str(uuid.uuid4()), api)
    headers: list[tuple[str, Any]] = [*answer.headers, ("Content-Length", len(answer.body))]
    lines = ["HTTP/1.1 408 Request Timeout", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + answer.body
