"""Errors, CORS and request ids, on every route."""

from typing import Any

import pytest
from httpx import Client

from tests.contract.builders import (
    EXPOSED,
    NO_IMAGE,
    NO_TAG,
    assert_problem,
    exposed,
    one_shot,
    registered,
    tag_path,
)
from tests.contract.document import calls
from tests.contract.routes import ROUTES, Route

WITH_BODY = [route for route in ROUTES if route.takes_body]
UNKNOWN = [
    ("GET", "/"),
    ("GET", "/nothing"),
    ("GET", "/images/1/nothing"),
    ("GET", "/search"),
    ("GET", "/Images"),
    ("GET", "/upload"),
    ("GET", "/images/1/tags"),
    ("GET", "/images/1/tags/a/b"),
    ("PATCH", "/images/1"),
    ("PUT", "/images"),
    ("DELETE", "/tags"),
    ("POST", "/access-log"),
    ("DELETE", "/access-log"),
    ("POST", "/search/images"),
]
NASTY = [
    "\0",
    "a\0b",
    "\x1f",
    "%00",
    "'",
    '"; DROP TABLE tags; --',
    "\\",
    "%",
    "{}",
    "${7*7}",
    "\U0010ffff",
    "\ufffe",
    "x" * 3000,
]


def test_the_document_describes_these_calls_with_these_permissions() -> None:
    assert sorted(calls()) == sorted(f"{route.method} {route.path} {route.needs}" for route in ROUTES)


# Shape


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_path_or_method_is_not_found(editor: Client, method: str, path: str) -> None:
    assert_problem(editor.request(method, path), 404)


@pytest.mark.parametrize(("method", "path"), UNKNOWN[:3])
def test_an_unknown_path_is_not_found_whoever_asks(anonymous: Client, method: str, path: str) -> None:
    assert_problem(anonymous.request(method, path), 404)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_malformed_json_is_a_bad_request(admin: Client, route: Route) -> None:
    headers = {"Content-Type": "application/json"}

    for body in (b'{"a": ', b"[1]", b'"text"', b"null"):
        assert_problem(admin.request(route.method, route.path, content=body, headers=headers), 400)


@pytest.mark.parametrize("route", [route for route in WITH_BODY if route.path != "/upload"], ids=str)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json, text/plain", "*/*"]
)
def test_a_body_that_is_not_json_is_an_unsupported_media_type(admin: Client, route: Route, content_type: str) -> None:
    response = admin.request(route.method, route.path, content=b"name=x", headers={"Content-Type": content_type})

    assert_problem(response, 415)


def test_json_may_say_its_charset(editor: Client, unique: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert editor.post("/tags", content=f'{{"name": "{unique}ü"}}'.encode(), headers=headers).status_code == 201


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_an_unknown_query_parameter_is_refused_and_named(admin: Client, route: Route) -> None:
    body = {"filename": "a", "image_data": "YQ=="} if route.path == "/upload" else {} if route.takes_body else None

    response = admin.request(route.method, route.path, params={"nonsense": "1"}, json=body)

    assert_problem(response, 400, field="nonsense")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_an_unknown_body_field_is_refused_and_named(admin: Client, route: Route) -> None:
    response = admin.request(route.method, route.path, json={"nonsense": 1})

    assert_problem(response, 400, field="nonsense")


@pytest.mark.parametrize("call", ["POST /images/{}/restore", "PUT /images/{}/tags/ct"])
def test_a_call_without_a_body_of_its_own_refuses_fields_too(editor: Client, call: str) -> None:
    method, _, path = call.partition(" ")
    image_id = registered(editor)["id"]
    if "restore" in path:
        editor.delete(f"/images/{image_id}")

    response = editor.request(method, path.format(image_id), json={"nonsense": 1})

    assert_problem(response, 400, field="nonsense")


def test_a_problem_type_is_stable(editor: Client) -> None:
    types = {editor.get(f"/images/{image_id}").json()["type"] for image_id in (1, 2)}

    assert len(types) == 1
    assert types.pop().endswith("image-not-found")


def test_every_request_has_an_id_of_its_own(editor: Client) -> None:
    seen = [editor.get(path).headers["X-Request-Id"] for path in ("/tags", "/tags", "/images/1", "/nothing")]

    assert len(set(seen)) == 4


def test_a_problem_in_another_language_is_utf_8(editor: Client) -> None:
    response = editor.get("/images", params={"größe": "1"})

    problem = assert_problem(response, 400, field="größe")
    assert "größe" in problem["detail"]


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text)[:20])
def test_nothing_that_a_client_sends_is_our_failure(editor: Client, admin: Client, unique: str, nasty: str) -> None:
    image_id = registered(editor)["id"]

    for response in (
        editor.get("/search/images", params={"exact_tags": nasty}),
        editor.get("/search/images", params={"match_tags": nasty}),
        editor.get("/search/images", params={"any_tags": nasty, "exclude_tags": f"{nasty}x"}),
        editor.get("/search/images", params={"created_by": nasty, "untagged": nasty}),
        editor.get("/search/images", params={f"metadata.{nasty}": nasty}),
        editor.get("/search/images", params={"metadata.key": nasty, "attributes.Modality": nasty}),
        editor.get("/search/images", params={f"attributes.{nasty}": nasty}),
        editor.get("/search/images", params={nasty: nasty}),
        editor.get("/tags", params={"match": nasty, "cursor": nasty}),
        editor.put(tag_path(image_id, unique + nasty)),
        editor.delete(tag_path(image_id, unique + nasty)),
        editor.post("/tags", json={"name": unique + nasty}),
        editor.post("/images", json={"filename": nasty, "size": 1, "tags": [unique + nasty]}),
        editor.post("/images", json={"filename": "a", "size": 1, "metadata": {nasty: nasty}}),
        editor.put(f"/images/{image_id}", json={"filename": nasty}),
        admin.get("/access-log", params={"user_id": nasty}),
        admin.get("/access-log", params={"day": nasty}),
        editor.post("/upload", params={"filename": nasty}, content=b"x", headers={"Content-Type": "image/png"}),
    ):
        assert response.status_code < 500, (response.request.url, response.text)
        if response.status_code >= 400:
            assert_problem(response, response.status_code)


@pytest.mark.parametrize(
    "query",
    [
        "exact_tags=%FF%FE",
        "exact_tags=%",
        "exact_tags=%zz",
        "=",
        "&&",
        "exact_tags",
        "limit=1&limit=1",
        "%00=1",
        "metadata.%FF=%FF",
        "metadata.a=%ED%A0%80",
        "metadata.a",
        "metadata.",
        "metadata..=.",
        ".metadata.a=1",
        "metadata=1&metadata.a=1",
    ],
)
def test_a_broken_query_is_not_our_failure(editor: Client, query: str) -> None:
    response = editor.get(f"/search/images?{query}")

    assert response.status_code < 500, response.text


@pytest.mark.parametrize("headers", [{"If-Match": '"\u00e9"'}, {"User-Agent": "\u00e9" * 1000}, {"Origin": "null"}])
def test_an_odd_header_is_not_our_failure(editor: Client, headers: dict[str, str]) -> None:
    image_id = registered(editor)["id"]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    response = editor.put(f"/images/{image_id}", json={"metadata": {}}, headers=raw)

    assert response.status_code in {200, 412}


# CORS


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/images", None, 200),
        ("POST", "/images", {"filename": "a", "size": 1}, 201),
        ("PUT", f"/images/{NO_IMAGE}", {"tags": []}, 404),
        ("GET", f"/tags/{NO_TAG}", None, 404),
        ("GET", "/images?nonsense=1", None, 400),
        ("GET", "/access-log", None, 403),
        ("GET", "/nothing", None, 404),
    ],
)
def test_every_answer_carries_request_id_and_cors(
    editor: Client, method: str, path: str, body: Any, status: int
) -> None:
    response = editor.request(method, path, json=body, headers={"Origin": "https://app.example"})

    assert response.status_code == status
    assert response.headers["X-Request-Id"]
    assert response.headers["Access-Control-Allow-Origin"] in {"*", "https://app.example"}
    assert exposed(response) >= EXPOSED


def test_answers_without_a_body_carry_them_too(editor: Client, unique: str) -> None:
    image_id = one_shot(editor)["id"]

    for response in (editor.put(tag_path(image_id, unique)), editor.delete(f"/images/{image_id}")):
        assert response.status_code == 204
        assert response.headers["X-Request-Id"]
        assert response.headers["Access-Control-Allow-Origin"]
        assert exposed(response) >= EXPOSED


def test_answers_of_the_gateway_itself_carry_them_too(anonymous: Client, editor: Client) -> None:
    assert_problem(anonymous.get("/images"), 401)
    assert_problem(editor.get("/nothing"), 404)
    assert_problem(editor.post("/upload?filename=a", content=bytes(12_000_000)), 413)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_browser_may_ask_beforehand_without_a_token(anonymous: Client, route: Route) -> None:
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": route.method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,if-match",
    }

    response = anonymous.options(route.path, headers=headers)

    assert response.status_code in {200, 204}
    assert response.headers["X-Request-Id"]
    assert response.headers["Access-Control-Allow-Origin"] in {"*", "https://app.example"}
    assert route.method in listed(response.headers["Access-Control-Allow-Methods"])
    allowed = {name.lower() for name in listed(response.headers["Access-Control-Allow-Headers"])}
    assert allowed >= {"authorization", "content-type", "idempotency-key", "if-match"}


def listed(header: str) -> list[str]:
    return [name.strip() for name in header.split(",")]
