"""Stands between the service and DynamoDB, and does what a table or a network does now and then."""

import hashlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.front import signatures
from local.front.head import Head
from local.front.sessions import Sessions
from local.state import free_port

Answer = tuple[int, bytes]
Forward = Callable[[], Answer]

_UNANSWERED = threading.Event()
"""Never set: whoever waits on it waits to the end of the time limit."""


def passing(forward: Forward) -> Answer | None:
    return forward()


def failing(_: Forward) -> Answer | None:
    return 500, _error("InternalServerError")


def throttling(_: Forward) -> Answer | None:
    return 400, _error("ThrottlingException")


def hanging(_: Forward) -> Answer | None:
    _UNANSWERED.wait(3)
    return None


def dawdling(forward: Forward) -> Answer | None:
    """Not as long as the service waits."""
    _UNANSWERED.wait(0.7)
    return forward()


def doubling(forward: Forward) -> Answer | None:
    forward()
    return forward()


def forgetting(forward: Forward) -> Answer | None:
    """The write is done, and nobody is told."""
    forward()
    return None


def conflicting(_: Forward) -> Answer | None:
    """As when another write of the same item is under way."""
    return 400, _error("TransactionConflictException")


Mood = Callable[[Forward], Answer | None]
"""None: the connection is cut."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Who asked was killed: that is what we are here for."""


class Proxy:
    def __init__(self, stack: Callable[[], dict[str, Any]]) -> None:
        """`stack` gives the contents of stack.json, when they are first needed."""
        self._stack = stack
        self._mood: Mood = passing
        self._server = _Server(("127.0.0.1", free_port(None)), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        yield
        self._server.shutdown()
        self._server.server_close()
        thread.join()

    @contextmanager
    def in_mood(self, mood: Mood) -> Iterator[None]:
        self._mood = mood
        yield
        self._mood = passing

    def answer(self, headers: dict[str, str], content: bytes) -> Answer | None:
        with suppress(OSError, http.client.HTTPException):
            return self._mood(lambda: self._forward(headers, content))
        return None

    def _forward(self, headers: dict[str, str], content: bytes) -> Answer:
        stack = self._stack()
        address = urlsplit(stack["aws_endpoint_url"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        connection.request("POST", "/", content, _signed_anew(headers, content, address.netloc, stack))
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                answer = proxy.answer(dict(self.headers.items()), content)
                if answer is None:
                    self.close_connection = True
                    return
                status, said = answer
                head = f"HTTP/1.1 {status} Proxied\r\nContent-Length: {len(said)}\r\n\r\n"
                self.wfile.write(head.encode() + said)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _signed_anew(headers: dict[str, str], content: bytes, host: str, stack: dict[str, Any]) -> dict[str, str]:
    """For the emulator's own host, and as of the moment that the service's clock said."""
    named = {name.lower(): value for name, value in headers.items()} | {"host": host}
    values = {name: [value] for name, value in named.items()}
    head = Head("POST", "/", "/", [], values)
    old = signatures.in_header(head)
    request = signatures.canonical_request(head, old, hashlib.sha256(content).hexdigest())
    secret = Sessions(stack["aws_secret_access_key"]).secret(old.key_id, old.token)
    new = signatures.signed(request, old, secret or stack["aws_secret_access_key"])
    return named | {"authorization": named["authorization"].replace(old.value, new)}


def _error(kind: str) -> bytes:
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "injected"}).encode()
