"""The gateway over HTTP, before a small service without an authorizer."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from infrastructure.resources import GATEWAY_RESPONSES, LOCAL_GATEWAY_RESPONSES
from local import ROOT, supervisor
from tests.conftest import free_port
from tests.local.conftest import TINY_APP

POOL = "arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_pool"


@pytest.fixture
def gateway(tiny_app: Any) -> Iterator[httpx.Client]:
    with serving({}) as client:
        yield client


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Started once, for the tests that only ask."""
    directory = tmp_path_factory.mktemp("app")
    (directory / "app.py").write_text(TINY_APP)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(directory)
        patched.setenv("PYTHONPATH", str(ROOT))
        with serving({}) as client:
            yield client


@pytest.fixture
def impatient(tiny_app: Any) -> Iterator[httpx.Client]:
    """A gateway that waits for a request no longer than half a second."""
    with serving({"REQUEST_SECONDS": "0.5"}) as client:
        yield client


@contextmanager
def serving(settings: dict[str, str]) -> Iterator[httpx.Client]:
    """A gateway for the app in the current directory."""
    port = free_port()
    listener = supervisor.listener(port)
    reading, writing = os.pipe()
    descriptors = (listener.fileno(), writing)
    command = [sys.executable, "-m", "local.gateway", *map(str, (*descriptors, 2))]
    environment = os.environ | {"USER_POOL_ARN": POOL, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"} | settings
    process = subprocess.Popen(command, pass_fds=descriptors, env=environment)
    os.close(writing)
    assert os.read(reading, 1000) == b"\n"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=30) as client:
        yield client
    process.terminate()
    process.wait(10)
    listener.close()


def _assert_problem(response: httpx.Response, kind: str) -> None:
    status, slug, title, detail = (GATEWAY_RESPONSES | LOCAL_GATEWAY_RESPONSES)[kind]
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert response.headers["Access-Control-Expose-Headers"] == "ETag"
    problem = response.json()
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert problem["type"].endswith(f"/{slug}")
    assert (problem["status"], problem["title"], problem["detail"]) == (status, title, detail)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "v1/none"), ("GET", "event"), ("PATCH", "v1/event"), ("HEAD", "v1/event")]
)
def test_an_unknown_path_or_method_is_not_found(gateway: httpx.Client, method: str, path: str) -> None:
    response = gateway.request(method, path)

    if method == "HEAD":
        assert response.status_code == 404
    else:
        _assert_problem(response, "MISSING_AUTHENTICATION_TOKEN")


def test_a_request_id_of_the_clients_is_not_taken_over(gateway: httpx.Client) -> None:
    response = gateway.get("v1/none", headers={"X-Request-Id": "mine"})

    assert response.headers["X-Request-Id"] != "mine"


def test_the_service_sees_what_was_sent(gateway: httpx.Client) -> None:
    event = gateway.post("v1/event?a=1&a=2", json={"é": 1}, headers={"X-Mine": "yes"}).json()

    assert event["httpMethod"] == "POST"
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["headers"]["X-Mine"] == "yes"
    assert event["body"] == '{"é":1}'
    assert event["requestContext"]["domainName"] == gateway.base_url.netloc.decode()
    assert event["requestContext"]["path"] == "/v1/event"


def test_options_is_answered_for_the_service(gateway: httpx.Client) -> None:
    response = gateway.options("v1/event")

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert response.headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("size", [6 * 1024 * 1024, 11 * 1024 * 1024])
def test_a_body_that_is_too_large_is_refused_and_the_connection_goes_on(gateway: httpx.Client, size: int) -> None:
    response = gateway.post("v1/event", content=b"x" * size, headers={"Content-Type": "application/json"})

    _assert_problem(response, "REQUEST_TOO_LARGE")
    assert gateway.get("v1/event").status_code == 200


def test_so_is_one_that_does_not_say_its_size_beforehand(gateway: httpx.Client) -> None:
    chunks = (b"x" * 65_536 for _ in range(200))

    _assert_problem(gateway.post("v1/event", content=chunks), "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("path", ["v1/die/0", "v1/large", "v1/malformed"])
def test_what_is_no_response_is_a_bad_gateway(gateway: httpx.Client, path: str) -> None:
    _assert_problem(gateway.get(path), "INTEGRATION_FAILURE")

    assert gateway.get("v1/event").status_code == 200


def test_clients_that_hang_up_do_no_harm(gateway: httpx.Client) -> None:
    address = (gateway.base_url.host, gateway.base_url.port)
    for _ in range(4):
        with socket.create_connection(address) as connection:
            connection.sendall(f"GET /v1/pid/0.1 HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode())

    said = [gateway.get("v1/event").json()["requestContext"]["path"] for _ in range(4)]

    assert said == ["/v1/event"] * 4


FOREIGN_HOSTS = ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "localhost.evil.example:{port}", ""]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["v1/event", "docs", "docs/openapi.json", "docs/errors", "nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_name_that_was_made_to_lead_here_is_refused(
    running_gateway: httpx.Client, method: str, path: str, host: str
) -> None:
    """Else a page of that name could read every answer (DNS rebinding)."""
    named = host.format(port=running_gateway.base_url.port)

    answer = running_gateway.request(method, path, headers={"Host": named, "Origin": f"http://{named}"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (421, "application/problem+json")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    problem = answer.json()
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert f"127.0.0.1:{running_gateway.base_url.port} or localhost:" in problem["detail"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_both_names_of_this_machine_are_answered(running_gateway: httpx.Client, name: str) -> None:
    host = {"Host": f"{name}:{running_gateway.base_url.port}"}

    document = running_gateway.get("docs/openapi.json", headers=host).json()

    assert running_gateway.get("v1/event", headers=host).status_code == 200
    assert document["servers"] == [{"url": f"http://{host['Host']}/v1"}]


@pytest.mark.parametrize("character", ["|", "{", "}"])
def test_a_query_with_a_character_that_api_gateway_does_not_take_is_refused(
    running_gateway: httpx.Client, character: str
) -> None:
    """httpx would encode it, so the request is written by hand."""
    answer = _everything_said(
        running_gateway, f"GET /v1/event?a={character} HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"must be percent-encoded" in answer
    assert running_gateway.get("v1/event", params={"a": character}).status_code == 200


def test_a_request_of_http_1_0_without_a_host_is_refused(running_gateway: httpx.Client) -> None:
    with socket.create_connection((running_gateway.base_url.host, running_gateway.base_url.port)) as connection:
        connection.sendall(b"GET /docs HTTP/1.0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"


HEAD = b"POST /v1/event HTTP/1.1\r\nHost: HERE\r\n"
STALLED = [
    b"P",
    HEAD,
    HEAD + b"Content-Length: 5\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\nabc",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
]


@pytest.mark.parametrize("sent", STALLED, ids=["line", "headers", "body", "half a body", "half a chunk", "expect"])
def test_a_request_whose_rest_never_comes_is_refused_and_its_connection_closed(
    impatient: httpx.Client, sent: bytes
) -> None:
    answer = _everything_said(impatient, sent)

    head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    _assert_problem(httpx.Response(int(status.split()[1]), headers=headers, content=body), "REQUEST_TIMEOUT")
    assert impatient.get("v1/event").status_code == 200


def test_a_connection_on_which_nothing_comes_is_closed(impatient: httpx.Client) -> None:
    assert _everything_said(impatient, b"") == b""


def test_the_second_request_of_a_connection_is_not_waited_for_either(impatient: httpx.Client) -> None:
    first = b"GET /v1/event HTTP/1.1\r\nHost: HERE\r\n\r\n"

    answer = _everything_said(impatient, first + HEAD)

    assert [answer.count(status) for status in (b"HTTP/1.1 200 ", b"HTTP/1.1 408 ")] == [1, 1]


def test_half_a_second_request_leaves_the_first_its_answer(impatient: httpx.Client) -> None:
    first = b"GET /v1/pid/0.8 HTTP/1.1\r\nHost: HERE\r\n\r\n"

    answer = _everything_said(impatient, first + HEAD)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 408 ") == 1


def test_a_request_that_came_in_time_may_take_longer(impatient: httpx.Client) -> None:
    assert impatient.get("v1/pid/0.8").status_code == 200


def _everything_said(client: httpx.Client, sent: bytes) -> bytes:
    """Until the gateway closes the connection, for which it has some seconds. HERE is its own name."""
    address = (client.base_url.host, client.base_url.port)
    said = b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent.replace(b"HERE", client.base_url.netloc))
        while more := connection.recv(4096):
            said += more
    return said
