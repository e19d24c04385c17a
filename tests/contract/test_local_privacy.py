"""Logs hold no secret, and nothing of what callers write. The end of each stack looks through all of its logs."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from httpx import Client, Response

from tests import privacy
from tests.contract.builders import NO_IMAGE, NO_TAG, made, put, tag_path
from tests.contract.test_local_service_log import lines_of
from tests.privacy import MARK

JSON = {"Content-Type": "application/json"}


def of_images(client: Client) -> Iterator[Response]:
    data, draft = MARK.encode(), {"filename": f"{MARK}.dcm", "tags": [MARK], "metadata": {MARK: MARK}}
    yield client.post("/images", json={**draft, "size": len(data)})
    upload = made(client.post("/images", json={**draft, "size": len(data)}))
    put(upload, data)
    path = f"/images/{upload['id']}"
    yield client.post("/upload", json={**draft, "image_data": "AAAA"})
    yield client.post(
        "/upload", params={"filename": MARK, "tags": MARK}, content=data, headers={"Content-Type": "image/png"}
    )
    yield client.put(path, json=draft, headers={"If-Match": f'"{MARK}"', "Idempotency-Key": MARK})
    yield client.put(path, json=draft)
    yield client.put(tag_path(upload["id"], MARK))
    yield client.put(tag_path(NO_IMAGE, MARK))
    yield client.put(tag_path(upload["id"], f"{MARK}|"))
    yield client.delete(tag_path(upload["id"], MARK))
    yield client.get(path)
    yield client.get("/images")
    yield client.post(f"{path}/upload", json={MARK: MARK})
    yield client.post(f"{path}/upload/complete", json={"parts": [{"part_number": 1, "etag": MARK}]})
    yield client.delete(path)
    yield client.post(f"{path}/restore")


def of_tags(client: Client) -> Iterator[Response]:
    tag_id = client.post("/tags", json={"name": MARK}).json()["id"]
    other_id = client.post("/tags", json={"name": f"{MARK} 2"}).json()["id"]
    yield client.get("/tags", params={"match": f"{MARK}%"})
    yield client.get(f"/tags/{tag_id}")
    yield client.put(f"/tags/{tag_id}", json={"name": f"{MARK} 2"})
    yield client.put(f"/tags/{tag_id}", json={"name": f"{MARK} 3"})
    yield client.get(f"/tags/{tag_id}/images", params={MARK: MARK})
    yield client.get(f"/tags/{tag_id}/images")
    yield client.post(f"/tags/{tag_id}/merge", json={"into": other_id})
    yield client.delete(f"/tags/{other_id}")
    yield client.delete(f"/tags/{NO_TAG}")


def of_searches(client: Client) -> Iterator[Response]:
    for name in (
        "exact_tags",
        "match_tags",
        "any_tags",
        "created_by",
        "cursor",
        MARK,
        f"metadata.{MARK}",
        "metadata.a",
    ):
        yield client.get("/search/images", params={name: MARK})
    yield client.get("/access-log", params={"user_id": MARK})


def of_refusals(client: Client) -> Iterator[Response]:
    yield client.post("/tags", content=MARK.encode(), headers=JSON)
    yield client.post("/tags", content=f'{{"name": "{MARK}", "name": "{MARK}"}}'.encode(), headers=JSON)
    yield client.post("/tags", content=MARK.encode(), headers={"Content-Type": f"text/{MARK}"})
    yield client.get(f"/images/{MARK}")
    yield client.delete(f"/images/{MARK}")
    yield client.get(f"/tags/{MARK}/images")
    yield client.get(f"/{MARK}")
    yield client.get(f"/images/1/{MARK}", params={"access_token": MARK})
    yield client.request("PATCH", tag_path(NO_IMAGE, MARK))
    yield client.get("/images", params={"access_token": client.headers["Authorization"]})
    yield client.get(f"/{quote(client.headers['Authorization'])}")
    yield client.get("/images", headers={"Authorization": f"Bearer {MARK}"})
    yield client.get("/images", headers={"Cookie": MARK, "X-Forwarded-For": MARK, "Referer": f"https://{MARK}"})
    yield client.get("/images", params={MARK: "a" * 11_000})


def of_headers(client: Client) -> Iterator[Response]:
    """Every header that the service, the gateway or a proxy before it reads, and one that none does."""
    names = ("Accept", "Accept-Language", "Content-Encoding", "Idempotency-Key", "If-Match", "Origin", "Range", "Via")
    for name in (*names, "Forwarded", "X-Request-Id", "X-Amzn-Trace-Id", "X-Correlation-Id", f"X-{MARK}"):
        yield client.get("/tags", headers={name: MARK})
        yield client.post("/tags", json={"nam": ""}, headers={name: MARK})
        yield client.get("/tags", headers={name: MARK, "Authorization": "Bearer x"})


def write_what_is_refused(database_url: str) -> None:
    """To PostgreSQL itself, whose words about it name the row, the key or the statement."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", (MARK,))
        with pytest.raises(psycopg2.Error, match=MARK):
            cursor.execute("INSERT INTO tags (name, folded) SELECT %s, %s FROM generate_series(1, 2)", (MARK, MARK))


@pytest.mark.parametrize("of_what", [of_images, of_tags, of_searches, of_refusals, of_headers])
def test_what_callers_write_is_in_no_log(
    stack: dict[str, Any], admin: Client, of_what: Callable[[Client], Iterator[Response]]
) -> None:
    for response in of_what(admin):
        assert lines_of(stack, response), response.request.url
    write_what_is_refused(stack["database_url"])

    assert [leak for leak in privacy.leaks(state_of(stack)) if MARK in leak] == []


def test_the_callers_software_names_itself_in_one_field_of_the_record_and_nowhere_else(
    stack: dict[str, Any], admin: Client
) -> None:
    """The access record holds User-Agent, and so does the log line, which stands in for it."""
    agent = f"software-{secrets.token_hex(8)}"
    asks: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/tags", None, {}),
        ("GET", "/images/1", None, {}),
        ("POST", "/tags", {"nam": ""}, {}),
        ("GET", "/nothing", None, {}),
        ("GET", "/tags", None, {"Authorization": "Bearer x"}),
    ]

    responses = [
        admin.request(method, path, json=body, headers={"User-Agent": agent, **more})
        for method, path, body, more in asks
    ]

    logged = [line for response in responses for line in lines_of(stack, response)]
    assert [line.pop("user_agent", None) for line in logged] == [agent, agent, agent, None, None]
    assert agent not in json.dumps(logged)
    texts = [log.read_text(errors="replace") for log in (state_of(stack) / "logs").glob("*.log")]
    found = [line for text in texts for line in text.splitlines() if agent in line]
    assert [json.loads(line)["user_agent"] for line in found] == [agent] * 3


def test_a_search_for_leaks_finds_each_kind_of_them(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    (state / "secrets.json").write_text(json.dumps({"editor": "pass.word"}))
    (state / "stack.json").write_text(json.dumps({"machines": {"read": {"client_secret": "machine+secret"}}}))
    bad = ["Bearer x", "eyJhbGciOiJSUzI1NiJ9.e30.x", "?X-Amz-Signature=0", f"a {MARK}", "pass.word", "machine+secret"]
    good = ["passXword", '{"message": "request", "path": "/v1/images/7/tags/{name}"}', "bearer: nobody"]
    (state / "logs" / "service.log").write_text("\n".join([*good, *bad]))

    leaks = privacy.leaks(state)

    assert [line for line in bad if not any(line in leak for leak in leaks)] == []
    assert [line for line in good if any(line in leak for leak in leaks)] == []


def state_of(stack: dict[str, Any]) -> Path:
    return Path(stack["log"]).parents[1]
