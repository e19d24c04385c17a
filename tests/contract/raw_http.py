"""Requests as bytes: a proper client refuses to send what an attacker would."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]

SECONDS = 30
"""Longer than the gateway lets anything take: who waits for so long was left hanging."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def head(host: str, method: str, target: str, headers: Headers, body: bytes = b"") -> bytes:
    """With Host and Content-Length, unless it has them already."""
    named = {name.lower() for name, _ in headers}
    own = [("Host", host)] if "host" not in named else []
    if body and not named & {"content-length", "transfer-encoding"}:
        own.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in [*own, *headers])]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def exchange(api_url: str, request: bytes, method: str = "GET") -> Answer | None:
    """The first answer; None: the connection was closed without one."""
    address = urlsplit(api_url)
    with socket.create_connection((address.hostname, address.port), timeout=SECONDS) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection, method=method)
        try:
            answer.begin()
        except (http.client.BadStatusLine, ConnectionError):
            return None
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())


def break_off(api_url: str, request: bytes) -> None:
    """Sends what there is of a request, and hangs up."""
    address = urlsplit(api_url)
    with socket.create_connection((address.hostname, address.port), timeout=SECONDS) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def ask(api_url: str, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
    host = urlsplit(api_url).netloc
    answer = exchange(api_url, head(host, method, target, headers, body) + body, method)
    assert answer is not None, "the connection was closed without an answer"
    return answer
