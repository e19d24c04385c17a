"""Who attacks gets the refusal that fits, changes nothing, and is in a log: the service's, or else the gateway's."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.tokens import password_token
from tests.conftest import eventually, running_stack
from tests.contract.attacks import ATTACKS, Attack, World
from tests.contract.builders import NO_IMAGE, Record
from tests.contract.fingerprint import Watch, watching_all
from tests.contract.forgeries import Pool
from tests.contract.raw_http import Answer, ask
from tests.files import JPEG


@pytest.fixture(scope="module")
def stack() -> Iterator[dict[str, Any]]:
    """Of its own: nothing else changes anything here."""
    with running_stack() as description:
        yield description


@pytest.fixture(scope="module")
def world(stack: dict[str, Any]) -> World:
    pool = Pool(stack)
    first, second = (made(stack, pool, "/images", {"filename": "a.png", "size": 4, "tags": ["ct"]}) for _ in range(2))
    of_newcomer(stack, pool, "DELETE", f"/images/{second}")
    shot = {"filename": "b.jpg", "image_data": base64.b64encode(JPEG).decode(), "tags": ["ct"]}
    third = made(stack, pool, "/upload", shot)
    eventually(lambda: of_newcomer(stack, pool, "GET", f"/images/{third}").json()["attributes"], of="the inspection")
    return World(pool, first, second, made(stack, pool, "/tags", {"name": "mr"}))


def made(stack: dict[str, Any], pool: Pool, path: str, body: Any) -> int:
    answer = of_newcomer(stack, pool, "POST", path, json.dumps(body).encode())
    assert answer.status == 201
    return int(answer.json()["id"])


def of_newcomer(stack: dict[str, Any], pool: Pool, method: str, path: str, body: bytes = b"") -> Answer:
    headers = [("Authorization", f"Bearer {pool.tokens['newcomer']}"), ("Content-Type", "application/json")]
    return ask(stack["api_url"], method, f"/v1{path}", headers, body)


@pytest.fixture(scope="module")
def database(stack: dict[str, Any]) -> Iterator[Watch]:
    with watching_all(stack) as watch:
        yield watch


class Log:
    """The lines of the service and its gateway, by request id; read on from where the last look ended."""

    def __init__(self, stack: dict[str, Any]) -> None:
        self._file = Path(stack["log"]).open()  # noqa: SIM115 (as long as the tests run)
        self._lines: dict[str, Record] = {}

    def line(self, request_id: str) -> Record | None:
        for text in self._file:
            if text.startswith("{"):
                line = json.loads(text)
                self._lines[line.get("request_id")] = line
        return self._lines.get(request_id)


@pytest.fixture(scope="module")
def log(stack: dict[str, Any]) -> Log:
    return Log(stack)


def access_records(stack: dict[str, Any], user_id: str) -> list[Record]:
    headers = [("Authorization", f"Bearer {password_token(stack, 'admin')}")]
    records: list[Record] = ask(stack["api_url"], "GET", f"/v1/access-log?user_id={user_id}&limit=5", headers).json()[
        "results"
    ]
    return records


def assert_logged(stack: dict[str, Any], log: Log, answer: Answer) -> None:
    request_id = answer.headers["x-request-id"]
    line = eventually(lambda: log.line(request_id), of="the log line") or {}
    assert line["status"] == answer.status
    if line["message"] == "request":
        recorded = {record["request_id"]: record["status"] for record in access_records(stack, line["user_id"])}
        assert recorded[request_id] == answer.status
    else:
        assert line["error_type"] in {"UNAUTHORIZED", "MISSING_AUTHENTICATION_TOKEN"}


def test_there_are_hundreds_of_attacks_and_no_two_are_the_same() -> None:
    assert len({attack.sentence for attack in ATTACKS}) == len(ATTACKS) >= 200


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.sentence)
def test_an_attack_is_refused_changes_nothing_and_is_logged(
    stack: dict[str, Any], world: World, database: Watch, log: Log, attack: Attack
) -> None:
    request = attack.request(world)
    before = database.look()

    answer = ask(stack["api_url"], request.method, request.target, request.headers, request.body)

    assert answer.status == attack.status, answer
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["request_id"]) == (attack.status, answer.headers["x-request-id"])
    assert ("www-authenticate" in answer.headers) == (attack.status == 401)
    assert database.look() == before
    assert_logged(stack, log, answer)


@pytest.mark.parametrize("path", ["/images/{}", "/images/{}/restore", "/images/{}/tags/ct", "/images/{}/upload"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_who_may_not_change_an_image_does_not_learn_whether_it_is_there(
    stack: dict[str, Any], world: World, method: str, path: str
) -> None:
    headers = [("Authorization", f"Bearer {world.token('viewer')}")]

    problems = []
    for image_id in (world.image_id, world.binned_id, NO_IMAGE):
        answer = ask(stack["api_url"], method, f"/v1{path.format(image_id)}", headers)
        problems.append(answer.json() | {"request_id": "", "status": answer.status})

    assert problems[0]["status"] in {403, 404}
    assert problems == [problems[0]] * 3


@pytest.mark.parametrize(
    ("method", "path", "body", "seen"),
    [
        ("POST", "/images/{}/upload", {"multipart": True}, {"images", "multipart uploads"}),
        ("POST", "/upload", {"filename": "a", "image_data": "YQ=="}, {"images", "objects"}),
        ("POST", "/tags", {"name": "of the newcomer"}, {"tags"}),
        ("DELETE", "/images/{}", None, {"images", "links", "binned links"}),
    ],
)
def test_what_the_attacks_failed_to_do_can_be_done_and_would_be_seen(
    stack: dict[str, Any], world: World, database: Watch, method: str, path: str, body: Any, seen: set[str]
) -> None:
    before = database.look()

    content = json.dumps(body).encode() if body else b""
    answer = of_newcomer(stack, world.pool, method, path.format(world.image_id), content)

    assert answer.status < 300
    after = database.look()
    assert {name for name in after if after[name] != before[name]} >= seen
