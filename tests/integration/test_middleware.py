"""The whole function as Lambda calls it, with the event that the gateway makes."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chalicelib.aws import clients, dynamodb
from chalicelib.aws.access_log import Entry
from chalicelib.config import settings
from chalicelib.telemetry import logger
from infrastructure import resources
from tests.builders import an_image
from tests.conftest import LambdaContext
from tests.credentials_endpoint import without_credentials

SUB = "11111111-2222-3333-4444-555555555555"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.secret.signature"


def event(
    method: str, resource: str, body: Any = None, query: Any = None, *, groups: str = "editors", **parameters: str
) -> dict[str, Any]:
    path = resource.format(**parameters)
    claims = {"sub": SUB, "client_id": "app", "username": "ann", "cognito:groups": groups, "scope": "x"}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": query,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "path": f"/v1{path}",
            "requestId": "request-1",
            "domainName": "api.example.org",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
            "authorizer": {"claims": claims},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


@pytest.fixture
def call(database: str, committed: Any) -> Any:
    """The function; its answer's body is parsed."""
    for module in [name for name in sys.modules if name == "app" or name.startswith("chalicelib.routes")]:
        del sys.modules[module]
    from app import app  # noqa: PLC0415 (its settings exist only now)

    def call(*arguments: Any, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = app(event(*arguments, **parameters), LambdaContext())
        return answer | {"body": json.loads(answer["body"] or "null")}

    return call


def test_a_page_that_lambda_could_not_carry_is_cut_and_its_cursor_goes_on(call: Any, committed: Engine) -> None:
    names = [f"{number:03}{chr(0x5F71) * 157}" for number in range(100)]
    with Session(committed) as session, session.begin():
        wanted = [an_image(session, names).id for _ in range(70)]

    first = call("GET", "/images")
    whole = json.dumps(first | {"body": json.dumps(first["body"], ensure_ascii=False)}, ensure_ascii=False)
    page, found = first["body"], [image["id"] for image in first["body"]["results"]]
    while page["meta"]["has_more_pages"]:
        page = call("GET", "/images", query={"cursor": [page["meta"]["next_cursor"]]})["body"]
        found += [image["id"] for image in page["results"]]

    assert len(whole.encode()) < resources.LAMBDA_PAYLOAD_BYTES
    assert len(first["body"]["results"]) < 70
    assert found == sorted(wanted, reverse=True)


DRAFT: dict[str, Any] = {"filename": "chest.dcm", "size": 4, "tags": ["ct", "mr"]}


def test_a_request_is_one_log_line_with_who_what_and_the_result(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    image_id = call("POST", "/images", DRAFT)["body"]["id"]

    (line,) = [vars(record) for record in caplog.records]
    assert (line["user_id"], line["route"], line["status"]) == (SUB, "/images", 201)
    assert line["image_ids"] == [image_id]
    assert len(line["tag_ids"]) == 2


def test_no_token_signature_or_content_reaches_the_log(
    call: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call("POST", "/upload", {"filename": "a.png", "image_data": "c2VjcmV0IHBpeGVscw=="})
    call("POST", "/images", DRAFT)
    call("POST", "/images", {"filename": 7})

    said = repr([vars(record) for record in caplog.records]) + str(capfd.readouterr())
    assert len(caplog.records) == 3
    for secret in (TOKEN, "X-Amz-Signature", "c2VjcmV0", "secret pixels"):
        assert secret not in said


def test_a_request_succeeds_when_its_access_record_cannot_be_written_and_the_log_keeps_it(
    call: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    dynamodb.forget()
    before = time.time()

    answer = call("POST", "/images", DRAFT)

    dynamodb.forget()
    (line,) = [vars(record) for record in caplog.records]
    metric = json.loads(capsys.readouterr().out)
    assert answer["statusCode"] == 201
    assert (line["levelname"], line["access_record"]) == ("ERROR", "undelivered")
    assert metric["AccessRecordUndelivered"] == [1.0]
    entry = recorded(line)
    assert before <= entry.pop("timestamp") <= time.time()
    assert 0 <= entry.pop("duration_ms") <= (time.time() - before) * 1000 + 1
    assert len(set(entry.pop("tag_ids"))) == len(DRAFT["tags"])
    assert entry == {
        "request_id": "request-1",
        "user_id": SUB,
        "client_id": "app",
        "source_ip": "127.0.0.1",
        "user_agent": "test",
        "method": "POST",
        "route": "/images",
        "path": "/v1/images",
        "status": 201,
        "image_ids": [answer["body"]["id"]],
    }


def refused(code: str) -> bytes:
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}).encode()


class Table(BaseHTTPRequestHandler):
    """Answers in place of DynamoDB."""

    answer: ClassVar[tuple[int, bytes]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, content = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def table_that_answers() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Table)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


BROKEN: dict[str, tuple[dict[str, str], tuple[int, bytes]]] = {
    "an endpoint for credentials that is dead": (
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"},
        (200, b"{}"),
    ),
    "an endpoint for credentials that is none": (
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://a.invalid/"},
        (200, b""),
    ),
    "no credentials": ({}, (200, b"{}")),
    "an expired token": ({}, (400, refused("ExpiredTokenException"))),
    "an unknown key": ({}, (400, refused("UnrecognizedClientException"))),
    "an answer that is none": ({}, (200, b"<html>")),
    "half a name": ({"AWS_ENDPOINT_URL_DYNAMODB": "http://a..b:1"}, (200, b"{}")),
    "an unknown name": ({"AWS_ENDPOINT_URL_DYNAMODB": "http://dynamodb.invalid:1"}, (200, b"{}")),
    "no TLS where it should be": ({"AWS_ENDPOINT_URL_DYNAMODB": "https://{table}"}, (200, b"{}")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_keeps_the_access_record_back_a_committed_request_keeps_its_answer(
    call: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    table_that_answers: str,
    what: str,
) -> None:
    variables, Table.answer = BROKEN[what]
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://{table_that_answers}")
    if "credentials" in what:
        without_credentials(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("{table}", table_that_answers))
    clients.forget()
    dynamodb.forget()

    answer = call("POST", "/tags", {"name": what})

    monkeypatch.undo()
    clients.forget()
    dynamodb.forget()
    (line,) = [vars(record) for record in caplog.records if record.msg == "request"]
    assert (answer["statusCode"], answer["body"]["name"]) == (201, what)
    assert (line["levelname"], line["access_record"], line["status"]) == ("ERROR", "undelivered", 201)
    assert line["reason"]


def recorded(line: dict[str, Any]) -> dict[str, Any]:
    """The access record that a log line holds. The request's id and time the line has as keys of its own."""
    renamed = {"timestamp": "started"}
    logged = {**logger.get_current_keys(), **line}
    return {field.name: logged[renamed.get(field.name, field.name)] for field in fields(Entry)}


def test_a_bug_is_a_500_that_shows_nothing_and_a_log_that_shows_all(
    call: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.services.images.get", lambda *_: {"a": 1}["secret of ours"])

    answer = call("GET", "/images/{image_id}", image_id="7")

    assert answer["statusCode"] == 500
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert answer["body"]["request_id"] == "request-1"
    assert "secret of ours" not in json.dumps(answer["body"])
    assert any(record.exc_info and "secret of ours" in str(record.exc_info[1]) for record in caplog.records)


@pytest.mark.parametrize(("variable", "retry"), [("AWS_ENDPOINT_URL_S3", "5")])
def test_a_storage_that_does_not_answer_is_a_503_that_says_when_to_come_again(
    call: Any, monkeypatch: pytest.MonkeyPatch, variable: str, retry: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    clients.s3.cache_clear()

    answer = call("POST", "/upload", {"filename": "a.png", "image_data": "AAAA"})

    clients.s3.cache_clear()
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, retry)
    assert answer["body"]["type"] == settings().problem_type_base + "unavailable"


def test_an_access_log_that_cannot_be_read_is_a_503_that_says_when_to_come_again(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    dynamodb.forget()

    answer = call("GET", "/access-log", groups="admins")

    dynamodb.forget()
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")
    assert answer["body"]["type"].endswith("unavailable")


@pytest.mark.parametrize(
    ("resource", "given", "shown"),
    [
        ("/images/{image_id}", {"image_id": "7"}, "/v1/images/7"),
        ("/images/{image_id}", {"image_id": "Jane-Doe"}, "/v1/images/{image_id}"),
        ("/images/{image_id}/tags/{name}", {"image_id": "7", "name": "Jane%20Doe"}, "/v1/images/7/tags/{name}"),
        ("/images/{image_id}/tags/{name}", {"image_id": "7", "name": "7"}, "/v1/images/7/tags/{name}"),
        ("/tags/{tag_id}/images", {"tag_id": "1" * 20}, "/v1/tags/{tag_id}/images"),
    ],
)
def test_a_path_is_logged_with_ids_and_without_names(
    call: Any, caplog: pytest.LogCaptureFixture, resource: str, given: dict[str, str], shown: str
) -> None:
    method = "GET" if "name" not in given else "PUT"

    call(method, resource, **given)

    assert [vars(record)["path"] for record in caplog.records] == [shown]
