"""What the service writes to its log, which only the local stack lets a test read."""

import json
from pathlib import Path
from typing import Any

from httpx import Client, Response

from tests.conftest import eventually
from tests.contract.builders import DATA, Record, claims_of, downloaded, one_shot, present, put, registered, tag_path


def lines(stack: dict[str, Any]) -> list[Record]:
    text = Path(stack["log"]).read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def lines_of(stack: dict[str, Any], response: Response) -> list[Record]:
    wanted = response.headers["X-Request-Id"]
    return eventually(lambda: [line for line in lines(stack) if line.get("request_id") == wanted], within=3)


def test_a_request_is_one_line(stack: dict[str, Any], editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]
    response = editor.put(tag_path(image_id, unique))

    (line,) = lines_of(stack, response)

    assert line["user_id"] == claims_of(editor)["sub"]
    assert (line["method"], line["status"], line["image_ids"]) == ("PUT", 204, [image_id])
    assert line["duration_ms"] >= 0


def test_a_refused_request_is_one_line_too(stack: dict[str, Any], editor: Client) -> None:
    for path, status in (("/images/1", 404), ("/images?nonsense=1", 400), ("/access-log", 403)):
        (line,) = lines_of(stack, editor.get(path))
        assert line["status"] == status


def test_the_log_holds_no_token_no_signature_and_no_content(
    stack: dict[str, Any], editor: Client, admin: Client, unique: str
) -> None:
    image = one_shot(editor, f"content {unique}".encode(), filename=f"{unique}.dcm", metadata={"secret": unique})
    upload = registered(editor, 4, metadata={"secret": unique})
    put(upload, DATA)
    downloaded(present(editor, upload["id"]))
    last = admin.get("/access-log", params={"image_id": image["id"]})
    lines_of(stack, last)

    text = Path(stack["log"]).read_text()

    assert "X-Amz-Signature" not in text
    assert unique not in text
    for client in (editor, admin):
        assert client.headers["Authorization"].removeprefix("Bearer ") not in text
        assert client.headers["Authorization"].rpartition(".")[2] not in text
