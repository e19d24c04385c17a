"""The connection to DynamoDB, against a server that does as it is told."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.aws import dynamodb
from chalicelib.aws.dynamodb import DynamoDbError

HANG_UP = 0
"""For a status: the server ends the connection instead of an answer."""


class Server:
    def __init__(self) -> None:
        self.answers: list[int] = []
        """Statuses to come; after the last, 200."""
        self.asked: list[str] = []
        self._http = HTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append(self.headers["X-Amz-Target"])
            status = server.answers.pop(0) if server.answers else 200
            self.close_connection = status == HANG_UP
            if status == HANG_UP:
                return
            content = json.dumps({"status": status}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    dynamodb.forget()
    yield server
    dynamodb.forget()
    server.close()


def test_the_connection_is_kept(server: Server) -> None:
    dynamodb.call("Query", {})
    kept = dynamodb.server().sock

    dynamodb.call("Query", {})

    assert dynamodb.server().sock is kept is not None


@pytest.mark.parametrize("first", [HANG_UP, 500, 503])
def test_what_may_be_otherwise_the_next_time_is_tried_again(server: Server, first: int) -> None:
    server.answers = [200, first]

    answers = [dynamodb.call("Query", {}) for _ in range(2)]

    assert answers == [{"status": 200}] * 2
    assert server.asked == ["DynamoDB_20120810.Query"] * 3


@pytest.mark.parametrize(("answers", "tries"), [([400], 1), ([500, 500], 2), ([HANG_UP, HANG_UP], 2)])
def test_a_refusal_is_said_at_once_and_a_failure_after_two_tries(
    server: Server, answers: list[int], tries: int
) -> None:
    server.answers = answers

    with pytest.raises(DynamoDbError):
        dynamodb.call("Query", {})

    assert len(server.asked) == tries
    assert dynamodb.call("Query", {}) == {"status": 200}
