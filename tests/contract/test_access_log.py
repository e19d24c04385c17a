"""Who did what, as an admin reads it."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import Client, Response

from tests.conftest import eventually
from tests.contract.builders import (
    DATA,
    NO_IMAGE,
    NO_TAG,
    Record,
    a_tag,
    assert_problem,
    claims_of,
    downloaded,
    found,
    got,
    one_shot,
    present,
    put,
    registered,
    tag_path,
)
from tests.contract.conftest import ClientAs

FIELDS = {
    "request_id",
    "timestamp",
    "user_id",
    "client_id",
    "source_ip",
    "user_agent",
    "method",
    "route",
    "path",
    "status",
    "duration_ms",
    "image_ids",
    "tag_ids",
}


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def sub(client: Client) -> str:
    return str(claims_of(client)["sub"])


def records(admin: Client, **asked: Any) -> list[Record]:
    shown: list[Record] = got(admin, "/access-log", **asked)["results"]
    return shown


def record_of(admin: Client, response: Response, **asked: Any) -> Record:
    """The record of a request that was answered just now; the index that finds it may lag a little behind."""

    def record() -> Record | None:
        wanted = response.headers["X-Request-Id"]
        return next((each for each in records(admin, **asked) if each["request_id"] == wanted), None)

    return (
        eventually(record, within=3, of=f"the access record of {response.request.method} {response.request.url}") or {}
    )


def test_a_record_says_who_when_from_where_what_and_the_result(editor: Client, admin: Client, unique: str) -> None:
    image_id, before = registered(editor)["id"], int(time.time())

    response = editor.put(tag_path(image_id, f"{unique} ü"), headers={"User-Agent": f"viewer/{unique}"})

    record = record_of(admin, response, image_id=image_id)
    assert set(record) == FIELDS
    assert (record["user_id"], record["client_id"]) == (sub(editor), claims_of(editor)["client_id"])
    assert before <= record["timestamp"] <= time.time()
    assert record["source_ip"].count(".") == 3 or ":" in record["source_ip"]
    assert record["user_agent"] == f"viewer/{unique}"
    assert record["method"] == "PUT"
    assert record["route"].endswith("/images/{image_id}/tags/{name}")
    assert record["path"] == f"/v1/images/{image_id}/tags/{{name}}"
    assert record["status"] == 204
    assert 0 <= record["duration_ms"] < 30_000
    assert record["image_ids"] == [image_id]
    assert record["tag_ids"] == [a_tag_id(editor, f"{unique} ü")]
    assert record["request_id"] == response.headers["X-Request-Id"]


def a_tag_id(client: Client, name: str) -> int:
    tag_id: int = client.post("/tags", json={"name": name}).json()["id"]
    return tag_id


def test_a_caller_cannot_say_where_it_calls_from(editor: Client, admin: Client) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Real-Ip": "6.6.6.6", "Forwarded": "for=6.6.6.6"}

    response = editor.get("/tags", params={"limit": 1}, headers=forged)

    assert record_of(admin, response, user_id=sub(editor))["source_ip"] != "6.6.6.6"


def test_a_machine_is_logged_by_its_client_id(client_as: ClientAs, admin: Client, stack: dict[str, Any]) -> None:
    response = client_as("machine/read").get("/tags", params={"limit": 1})

    machine = stack["machines"]["read"]["client_id"]
    record = record_of(admin, response, user_id=machine)

    assert record["user_id"] == record["client_id"] == machine


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/tags?limit=1", None, 200),
        ("GET", "/images?nonsense=1", None, 400),
        ("POST", "/images", {"filename": ""}, 400),
        ("GET", "/access-log", None, 403),
        ("GET", f"/images/{NO_IMAGE}", None, 404),
        ("GET", "/images/abc", None, 400),
        ("GET", f"/tags/{NO_TAG}", None, 404),
    ],
)
def test_every_request_that_reaches_the_service_is_found_by_user_and_by_day(
    editor: Client, admin: Client, method: str, path: str, body: Any, status: int
) -> None:
    response = editor.request(method, path, json=body)

    assert response.status_code == status
    by_user = record_of(admin, response, user_id=sub(editor))
    assert (by_user["status"], by_user["method"]) == (status, method)
    assert record_of(admin, response, day=today()) == by_user
    assert record_of(admin, response) == by_user


def test_a_refused_media_type_and_a_large_payload_are_logged(editor: Client, admin: Client) -> None:
    for body, content_type, status in ((b"x", "text/plain", 415), (bytes(3_960_001), "image/png", 413)):
        response = editor.post("/upload?filename=a", content=body, headers={"Content-Type": content_type})

        assert response.status_code == status
        assert record_of(admin, response, user_id=sub(editor))["status"] == status


def test_every_request_on_an_image_is_found_by_the_image(editor: Client, admin: Client, unique: str) -> None:
    created = editor.post("/images", json={"filename": "a.dcm", "size": 4})
    image_id = created.json()["id"]
    path = f"/images/{image_id}"
    responses = [
        created,
        editor.post(f"{path}/upload", json={}),
        editor.get(path),
        editor.put(path, json={"metadata": {"a": 1}}),
        editor.put(path, json={"metadata": {}}, headers={"If-Match": '"stale"'}),
        editor.put(tag_path(image_id, unique)),
        editor.delete(tag_path(image_id, unique)),
        editor.post(f"{path}/upload/complete", json={"parts": [{"part_number": 1, "etag": "x"}]}),
        editor.delete(path),
        editor.get(path),
        editor.post(f"{path}/restore"),
    ]

    for response in responses:
        assert record_of(admin, response, image_id=image_id)["image_ids"] == [image_id]

    assert [record["status"] for record in records(admin, image_id=image_id)][::-1] == [
        response.status_code for response in responses
    ]


def test_a_refused_deletion_is_found_by_the_image(client_as: ClientAs, editor: Client, admin: Client) -> None:
    image_id = registered(editor)["id"]

    refused = client_as("newcomer").delete(f"/images/{image_id}")

    record = record_of(admin, refused, image_id=image_id)
    assert (record["status"], record["user_id"]) == (403, sub(client_as("newcomer")))


def test_a_change_refused_for_the_permission_is_found_by_the_image(
    viewer: Client, editor: Client, admin: Client
) -> None:
    image_id = registered(editor)["id"]

    refused = viewer.put(f"/images/{image_id}", json={"tags": []})

    assert refused.status_code == 403
    assert record_of(admin, refused, image_id=image_id)["user_id"] == sub(viewer)


@pytest.mark.parametrize("body", [b'{"tags": ["a|b"]}', b'{"nonsense": 1}', b"{"])
def test_a_change_refused_for_its_body_is_found_by_the_image(editor: Client, admin: Client, body: bytes) -> None:
    image_id = registered(editor)["id"]

    refused = editor.put(f"/images/{image_id}", content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code == 400
    assert record_of(admin, refused, image_id=image_id)["status"] == 400


def test_a_change_refused_for_the_permission_is_found_by_the_tag(
    viewer: Client, editor: Client, admin: Client, unique: str
) -> None:
    tag_id = a_tag(editor, unique)

    refused = viewer.delete(f"/tags/{tag_id}")

    assert refused.status_code == 403
    assert record_of(admin, refused, tag_id=tag_id)["user_id"] == sub(viewer)


def test_a_one_shot_upload_is_found_by_its_image_and_tags(editor: Client, admin: Client, unique: str) -> None:
    body = {"filename": "a", "image_data": "YQ==", "tags": [f"{unique}a", f"{unique}b"]}

    response = editor.post("/upload", json=body)

    image = response.json()
    tag_ids = [tag["id"] for tag in image["tags"]]
    record = record_of(admin, response, image_id=image["id"])
    assert (record["image_ids"], sorted(record["tag_ids"])) == ([image["id"]], sorted(tag_ids))
    for tag_id in tag_ids:
        assert record_of(admin, response, tag_id=tag_id) == record


def test_every_request_on_a_tag_is_found_by_the_tag(editor: Client, admin: Client, unique: str) -> None:
    created = editor.post("/tags", json={"name": unique})
    tag_id, other = created.json()["id"], a_tag(editor, f"{unique} other")
    image_id = registered(editor)["id"]
    responses = [
        created,
        editor.post("/tags", json={"name": unique}),
        editor.get(f"/tags/{tag_id}"),
        editor.get(f"/tags/{tag_id}/images"),
        editor.put(tag_path(image_id, unique)),
        editor.put(f"/images/{image_id}", json={"tags": []}),
        editor.put(f"/images/{image_id}", json={"tags": [unique]}),
        editor.delete(tag_path(image_id, unique)),
        editor.put(f"/tags/{tag_id}", json={"name": f"{unique} new"}),
        editor.put(f"/tags/{tag_id}", json={"name": f"{unique} other"}),
        editor.post(f"/tags/{tag_id}/merge", json={"into": other}),
        editor.delete(f"/tags/{tag_id}"),
    ]

    for response in responses:
        assert tag_id in record_of(admin, response, tag_id=tag_id)["tag_ids"]

    assert record_of(admin, responses[-2], tag_id=other)["tag_ids"] == [tag_id, other]


def test_a_request_on_many_tags_is_found_under_each_and_once_under_user_and_day(
    editor: Client, admin: Client, unique: str
) -> None:
    response = editor.post("/images", json={"filename": "a", "size": 1, "tags": [f"{unique} {i}" for i in range(100)]})
    image_id, request_id = response.json()["id"], response.headers["X-Request-Id"]

    tag_ids = [tag["id"] for tag in got(editor, f"/images/{image_id}")["tags"]]

    assert len(tag_ids) == 100
    for tag_id in (*tag_ids[:3], tag_ids[50], *tag_ids[-3:]):
        assert sorted(record_of(admin, response, tag_id=tag_id)["tag_ids"]) == sorted(tag_ids)
    for asked in ({"user_id": sub(editor)}, {"day": today()}, {"image_id": image_id}, {}):
        assert [each["request_id"] for each in records(admin, **asked)].count(request_id) == 1


def test_records_come_newest_first(editor: Client, admin: Client) -> None:
    image_id = registered(editor)["id"]
    responses = [editor.get(f"/images/{image_id}") for _ in range(5)]
    record_of(admin, responses[-1], image_id=image_id)

    shown = [record["request_id"] for record in records(admin, image_id=image_id)]

    assert shown[:5] == [response.headers["X-Request-Id"] for response in responses[::-1]]


def test_the_period_includes_both_ends(editor: Client, admin: Client) -> None:
    image_id = registered(editor)["id"]
    response = editor.get(f"/images/{image_id}")
    moment = record_of(admin, response, image_id=image_id)["timestamp"]

    for key in ({"image_id": image_id}, {"user_id": sub(editor)}, {"day": today()}, {}):
        record_of(admin, response, **key, start_timestamp=moment, end_timestamp=moment)
        later = records(admin, **key, start_timestamp=moment + 1, limit=100)
        assert response.headers["X-Request-Id"] not in [each["request_id"] for each in later]
        earlier = records(admin, **key, end_timestamp=moment - 1)
        assert response.headers["X-Request-Id"] not in [each["request_id"] for each in earlier]


def test_another_day_and_another_key_hold_nothing_of_it(editor: Client, viewer: Client, admin: Client) -> None:
    response = editor.get(f"/images/{registered(editor)['id']}")
    record_of(admin, response, day=today())

    assert records(admin, day="2024-02-29") == []
    assert records(admin, user_id="nobody") == []
    assert records(admin, tag_id=NO_TAG - 1) == []
    assert response.headers["X-Request-Id"] not in [r["request_id"] for r in records(admin, user_id=sub(viewer))]


def test_a_request_that_the_gateway_refuses_is_not_in_the_log(anonymous: Client, editor: Client, admin: Client) -> None:
    refused, served = anonymous.get("/tags"), editor.get("/tags", params={"limit": 1})
    record_of(admin, served)

    assert refused.headers["X-Request-Id"] not in [record["request_id"] for record in records(admin)]


def test_reading_the_log_is_logged(admin: Client) -> None:
    response = admin.get("/access-log", params={"limit": 1})

    assert record_of(admin, response, user_id=sub(admin))["path"] == "/v1/access-log"


@pytest.mark.parametrize("caller", ["viewer", "editor", "newcomer", "machine/read", "machine/write"])
def test_the_log_is_for_admins(client_as: ClientAs, caller: str) -> None:
    assert_problem(client_as(caller).get("/access-log"), 403)


def test_an_admin_machine_may_read_the_log(client_as: ClientAs) -> None:
    assert client_as("machine/admin").get("/access-log").status_code == 200


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"image_id": "abc"}, "image_id"),
        ({"image_id": "0"}, "image_id"),
        ({"tag_id": "-1"}, "tag_id"),
        ({"tag_id": "9" * 30}, "tag_id"),
        ({"day": "yesterday"}, "day"),
        ({"day": "2026-02-30"}, "day"),
        ({"day": "1795483499"}, "day"),
        ({"day": "2026-1-1"}, "day"),
        ({"day": ""}, "day"),
        ({"start_timestamp": "x"}, "start_timestamp"),
        ({"end_timestamp": "-1"}, "end_timestamp"),
        ({"user": "x"}, "user"),
        ({"image_id": ["1", "2"]}, "image_id"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_named(admin: Client, asked: Record, field: str) -> None:
    assert_problem(admin.get("/access-log", params=asked), 400, field=field)


@pytest.mark.parametrize(
    "asked",
    [{"user_id": "a", "image_id": 1}, {"image_id": 1, "tag_id": 1}, {"tag_id": 1, "day": "2026-01-01"}],
    ids=str,
)
def test_the_log_is_read_by_one_key_at_a_time(admin: Client, asked: Record) -> None:
    assert_problem(admin.get("/access-log", params=asked), 400)


def test_the_walk_through(editor: Client, viewer: Client, admin: Client, unique: str) -> None:
    upload = editor.post("/images", json={"filename": "knee.dcm", "size": 4})
    image_id = upload.json()["id"]
    assert put(upload.json(), DATA).status_code == 200
    present(editor, image_id)
    tagged = editor.put(tag_path(image_id, unique))
    assert found(viewer, exact_tags=unique) == [image_id]
    seen = viewer.get(f"/images/{image_id}")
    assert downloaded(seen.json()) == DATA

    by = [record_of(admin, response, image_id=image_id)["user_id"] for response in (upload, tagged, seen)]

    assert by == [sub(editor), sub(editor), sub(viewer)]


def test_the_log_holds_no_content_and_no_token(editor: Client, admin: Client, unique: str) -> None:
    image = one_shot(editor, unique.encode(), metadata={"secret": unique})

    (record,) = records(admin, image_id=image["id"])

    assert unique not in str(record)
    assert editor.headers["Authorization"].split(".")[-1] not in str(record)
