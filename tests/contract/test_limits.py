"""How much of everything is taken: at each limit it is, beyond it the answer says which limit it was."""

import json
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from httpx import Client

from local.tokens import password_token
from tests.conftest import running_stack
from tests.contract.builders import assert_problem, claims_of, names, registered
from tests.contract.raw_http import Answer, Headers, ask
from tests.contract.routes import ROUTES, Route
from tests.contract.test_local_service_log import lines

JSON_BYTES = 1_000_000
LARGE = {"/upload", "/images/1/upload/complete"}
"""These take 3,960,000 bytes."""

WITH_BODY = [route for route in ROUTES if route.takes_body and route.path not in LARGE]
JSON = {"Content-Type": "application/json"}


def padded(fields: str, size: int) -> bytes:
    """A JSON object of this many bytes."""
    return f"{{{fields}{' ' * (size - len(fields) - 2)}}}".encode()


def test_a_json_body_of_exactly_the_limit_is_taken(editor: Client, unique: str) -> None:
    body = padded(f'"name": "{unique}"', JSON_BYTES)

    assert editor.post("/tags", content=body, headers=JSON).status_code == 201


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_json_body_beyond_it_is_too_large(admin: Client, route: Route) -> None:
    response = admin.request(route.method, route.path, content=padded("", JSON_BYTES + 1), headers=JSON)

    assert_problem(response, 413, saying=str(JSON_BYTES))


@pytest.mark.parametrize(("route", "field"), [("/images", "tags"), ("/upload", "tags")])
def test_a_list_that_is_too_long_is_named(editor: Client, unique: str, route: str, field: str) -> None:
    draft = {"filename": "a", "size": 1} if route == "/images" else {"filename": "a", "image_data": "YQ=="}

    taken = editor.post(route, json={**draft, field: [f"{unique}{number}" for number in range(100)]})
    refused = editor.post(route, json={**draft, field: [f"{unique}{number}" for number in range(101)]})

    assert taken.status_code == 201
    assert_problem(refused, 400, field=field)


def test_a_million_names_are_refused_without_looking_at_each(editor: Client) -> None:
    body = padded('"filename": "a", "size": 1, "tags": [' + '"|",' * 200_000 + '""]', JSON_BYTES)
    started = time.monotonic()

    assert_problem(editor.post("/images", content=body, headers=JSON), 400)

    assert time.monotonic() - started < 2


def test_metadata_takes_fifty_keys_and_no_more(editor: Client) -> None:
    fifty = {str(number): 1 for number in range(50)}

    assert registered(editor, metadata=fifty)
    response = editor.post("/images", json={"filename": "a", "size": 1, "metadata": fifty | {"x": 1}})
    assert_problem(response, 400, field="metadata")


@pytest.mark.parametrize("depth", [10, 100, 199, 200, 1000, 450_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_a_bad_request_at_once(editor: Client, depth: int, opening: str, closing: str) -> None:
    depth = min(depth, (JSON_BYTES - 100) // len(opening + closing))
    body = f'{{"filename": "a", "size": 1, "metadata": {{"a": {opening * depth}1{closing * depth}}}}}'
    started = time.monotonic()

    assert_problem(editor.post("/images", content=body.encode(), headers=JSON), 400)

    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "number", ["1" * 900_000, "-" + "1" * 900_000, "1" + "0" * 899_000 + ".5", "1e" + "9" * 900_000, "1e400", "-1e400"]
)
@pytest.mark.parametrize("field", ["size", "metadata"])
def test_a_number_of_a_million_digits_is_a_bad_request_at_once(editor: Client, number: str, field: str) -> None:
    value = number if field == "size" else f'{{"a": {number}}}'
    fields = {"filename": '"a"', "size": "1", field: value}
    body = "{" + ", ".join(f'"{name}": {each}' for name, each in fields.items()) + "}"
    started = time.monotonic()

    assert_problem(editor.post("/images", content=body.encode(), headers=JSON), 400)

    assert time.monotonic() - started < 2


def test_a_fraction_of_many_digits_is_the_nearest_double(editor: Client) -> None:
    body = b'{"filename": "a", "size": 1, "metadata": {"a": 0.' + b"3" * 100_000 + b"}}"

    image_id = editor.post("/images", content=body, headers=JSON).json()["id"]

    assert editor.get(f"/images/{image_id}").json()["metadata"] == {"a": 1 / 3}


@pytest.mark.parametrize("name", ["a" + "\u0301\u0323" * 160_000, "\u0301" * 480_000, "\u1161\u11a8" * 150_000])
def test_a_name_that_takes_long_to_normalise_is_refused_before(editor: Client, name: str) -> None:
    started = time.monotonic()

    body = json.dumps({"name": name}, ensure_ascii=False).encode()
    assert_problem(editor.post("/tags", content=body, headers=JSON), 400, field="name")

    assert time.monotonic() - started < 2


def test_a_name_that_becomes_short_enough_is_taken(editor: Client, unique: str) -> None:
    name = unique + "\u1f82" * (160 - len(unique))
    spelt_out = unique + "\u03b1\u0313\u0300\u0345" * (160 - len(unique))

    made = editor.post("/images", json={"filename": "a", "size": 1, "tags": [f"   {spelt_out}   "]}).json()["id"]

    assert names(editor.get(f"/images/{made}").json()["tags"]) == [name]


# Request line and headers


HEAD_BYTES = 10_240
"""What API Gateway takes of the request line and all headers together, as AWS documents it."""


def of_size(stack: dict[str, Any], size: int, *, in_query: bool, headers: int = 1) -> Answer:
    """A good request whose line and headers have so many bytes, the padding in a tag's pattern or in headers."""
    given = [("Authorization", f"Bearer {password_token(stack, 'viewer')}"), ("Host", stack["api_url"].split("/")[2])]
    target = "/v1/tags?match=" if in_query else "/v1/tags"
    names = [] if in_query else [f"X-Padding-{number:02}" for number in range(headers)]
    padding = size - len("GET" + target.replace("?", "")) - sum(map(len, [*chain(*given), *names]))
    if in_query:
        return ask(stack["api_url"], "GET", target + "a" * padding, given)
    each, rest = divmod(padding, headers)
    values = ["a" * (each + (rest if number == 0 else 0)) for number in range(headers)]
    return ask(stack["api_url"], "GET", target, [*given, *zip(names, values, strict=True)])


@pytest.mark.parametrize("headers", [1, 20])
def test_so_many_bytes_of_line_and_headers_are_taken_and_one_more_is_not(stack: dict[str, Any], headers: int) -> None:
    taken = of_size(stack, HEAD_BYTES, in_query=False, headers=headers)
    refused = of_size(stack, HEAD_BYTES + 1, in_query=False, headers=headers)

    assert taken.status == 200, taken
    assert_head_too_large(refused)


def test_a_query_counts_among_the_bytes_of_line_and_headers(stack: dict[str, Any]) -> None:
    """What is taken comes to the service, which has a limit of its own for a pattern, and names it."""
    taken = of_size(stack, HEAD_BYTES, in_query=True)
    refused = of_size(stack, HEAD_BYTES + 1, in_query=True)

    assert (taken.status, taken.json()["errors"][0]["field"]) == (400, "match")
    assert_head_too_large(refused)


def assert_head_too_large(answer: Answer) -> None:
    assert answer.status == 413
    assert answer.json()["type"].endswith("payload-too-large")
    assert "10,240" in answer.json()["detail"]


@pytest.mark.parametrize("headers", [[("X-A", "a" * 1_000_000)], [(f"X-{number}", "a") for number in range(20_000)]])
def test_a_megabyte_of_headers_is_refused_too(stack: dict[str, Any], headers: Headers) -> None:
    assert ask(stack["api_url"], "GET", "/v1/images", headers).status == 413


# Requests


@pytest.fixture(scope="module")
def strict_stack() -> Iterator[dict[str, Any]]:
    """Lets each caller make five requests in five minutes."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REQUESTS_PER_CALLER", "5")
        with running_stack() as description:
            yield description


def test_who_asks_too_often_waits_and_nobody_else_does(strict_stack: dict[str, Any], unique: str) -> None:
    def client(name: str | None) -> Client:
        headers = {"Authorization": f"Bearer {password_token(strict_stack, name)}"} if name else {}
        return Client(base_url=strict_stack["api_url"], headers=headers)

    with client("editor") as editor, client("viewer") as viewer, client(None) as nobody:
        statuses = [editor.get("/tags").status_code for _ in range(5)]
        refused = editor.post("/tags", json={"name": unique})
        others = [viewer.get("/tags").status_code, nobody.get("/tags").status_code, editor.get("/none").status_code]
        again = client("editor").get("/tags")

        assert statuses == [200] * 5
        assert assert_problem(refused, 429)["type"].endswith("too-many-requests")
        assert 200 < int(refused.headers["Retry-After"]) <= 301
        assert others == [200, 401, 404]
        assert again.status_code == 429
        assert viewer.get("/tags", params={"match": unique}).json()["results"] == [], "it was refused, and done"
        assert_told(strict_stack, refused.headers["X-Request-Id"], claims_of(editor)["sub"])


def assert_told(stack: dict[str, Any], request_id: str, user: str) -> None:
    (line,) = [line for line in lines(stack) if line.get("request_id") == request_id]
    assert (line["error_type"], line["status"], line["user"], line["route"]) == ("THROTTLED", 429, user, "/tags")
