"""The connection to DynamoDB, against a server that does as it is told."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib.aws import dynamodb
from chalicelib.aws.dynamodb import DynamoDbError

HANG_UP = 0
"""For a status: the server ends the connection instead of an answer."""


class Server:
    def __init__(self) -> None:
        self.answers: list[int | tuple[int, Any]] = []
        """Statuses to come, with what is said; after the last, 200."""
        self.asked: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append(self.headers["X-Amz-Target"])
            answer = server.answers.pop(0) if server.answers else 200
            status, said = answer if isinstance(answer, tuple) else (answer, {"status": answer, **asked})
            self.close_connection = status == HANG_UP
            if status == HANG_UP:
                return
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
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
    server: Server, answers: list[int | tuple[int, Any]], tries: int
) -> None:
    server.answers = answers

    with pytest.raises(DynamoDbError):
        dynamodb.call("Query", {})

    assert len(server.asked) == tries
    assert dynamodb.call("Query", {}) == {"status": 200}


def error(code: str, *reasons: str, message: str = "") -> dict[str, Any]:
    """As DynamoDB says it."""
    said: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return said | ({"CancellationReasons": [{"Code": reason} for reason in reasons]} if reasons else {})


@pytest.mark.parametrize(
    "said",
    [
        error("ProvisionedThroughputExceededException"),
        error("ThrottlingException"),
        error("RequestLimitExceeded"),
        error("TransactionInProgressException"),
        error("TransactionCanceledException", "None", "ThrottlingError"),
        error("TransactionCanceledException", "TransactionConflict", "None"),
        error("TransactionCanceledException", "ProvisionedThroughputExceeded"),
    ],
    ids=lambda said: " ".join([said["__type"].partition("#")[2], *map(str, said.get("CancellationReasons", []))]),
)
def test_what_dynamodb_cannot_take_now_is_sent_once_more_after_a_pause_of_random_length(
    server: Server, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    server.answers = [(400, said)] * 3

    with pytest.raises(DynamoDbError):
        dynamodb.call("TransactWriteItems", {})
    server.answers = [(400, said)]
    dynamodb.call("TransactWriteItems", {})

    assert len(server.asked) == 4
    assert len(set(pauses)) == 2
    assert all(0 < pause < dynamodb.RECORD_SECONDS / 4 for pause in pauses)


@pytest.mark.parametrize(
    "said",
    [
        error("ValidationException", message="ThrottlingError is no attribute"),
        error("TransactionCanceledException", "None", "ConditionalCheckFailed"),
        b"<html>",
        b"[]",
    ],
    ids=["invalid", "condition", "no JSON", "no object"],
)
def test_what_dynamodb_will_never_take_is_sent_once(server: Server, said: Any) -> None:
    server.answers = [(400, said)]

    with pytest.raises(DynamoDbError):
        dynamodb.call("TransactWriteItems", {})

    assert len(server.asked) == 1


def test_an_answer_that_is_none_is_a_failure_of_dynamodb(server: Server) -> None:
    server.answers = [(200, b"<html>")] * 2

    with pytest.raises(DynamoDbError):
        dynamodb.call("Query", {})

    assert len(server.asked) == 2


def test_calls_that_are_made_at_once_are_answered_in_their_order(server: Server) -> None:
    answers = dynamodb.at_once(lambda number: dynamodb.call("Query", {"number": number}), range(100))

    assert [answer["number"] for answer in answers] == list(range(100))
    assert len(server.asked) == 100
