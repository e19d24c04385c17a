"""Images and tags made over HTTP, and what to expect of answers, in one line each."""

import base64
import json
import re
from collections.abc import Iterable
from functools import cache
from typing import IO, Any
from urllib.parse import quote

import jwt
from httpx import Client, Response

from tests.conftest import eventually
from tests.files import JPEG

Record = dict[str, Any]

DATA = JPEG

NO_IMAGE = 1
NO_TAG = 2**53
EXPOSED = {"ETag", "Link", "Location", "Retry-After", "X-Request-Id"}


@cache
def storage() -> Client:
    """For presigned URLs, which carry their own authority."""
    return Client(timeout=120)


def registered(client: Client, size: int = 4, **fields: Any) -> Record:
    """The answer to POST /v1/images: id, upload_url and the rest."""
    return made(client.post("/images", json={"filename": "chest.dcm", "size": size, **fields}))


def put(upload: Record, content: bytes | IO[bytes], **headers: str) -> Response:
    return storage().put(upload["upload_url"], content=content, headers=upload["upload_headers"] | headers)


def present(client: Client, image_id: int) -> Record:
    """The image, once the storage has reported its file."""

    def image() -> Record | None:
        record = got(client, f"/images/{image_id}")
        return record if record["status"] == "present" else None

    return eventually(image, of=f"the presence of image {image_id}") or {}


def inspected(client: Client, image_id: int) -> Record:
    """The image, once its file has been looked into: nothing changes it by itself any more."""

    def image() -> Record | None:
        record = got(client, f"/images/{image_id}")
        return record if record["attributes"] or record["status"] == "rejected" else None

    return eventually(image, of=f"the inspection of image {image_id}") or {}


def uploaded(client: Client, data: bytes = DATA, **fields: Any) -> Record:
    """An image whose file went straight to the storage."""
    upload = registered(client, len(data), **fields)
    assert put(upload, data).status_code == 200
    return present(client, upload["id"])


def one_shot(client: Client, data: bytes = DATA, **fields: Any) -> Record:
    body = {"filename": "chest.dcm", "image_data": base64.b64encode(data).decode(), **fields}
    return made(client.post("/upload", json=body))


def a_tag(client: Client, name: str) -> int:
    tag_id: int = made(client.post("/tags", json={"name": name}))["id"]
    return tag_id


def downloaded(image: Record) -> bytes:
    response = storage().get(image["url"])
    assert response.status_code == 200, response.text
    return response.content


def made(response: Response) -> Record:
    assert response.status_code == 201, response.text
    record: Record = response.json()
    return record


def got(client: Client, path: str, **parameters: Any) -> Record:
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    record: Record = response.json()
    return record


def ids(client: Client, path: str, **parameters: Any) -> list[int]:
    """Of what a list shows on its first page."""
    return [each["id"] for each in got(client, path, **parameters)["results"]]


def found(client: Client, **parameters: Any) -> list[int]:
    return ids(client, "/search/images", **parameters)


def names(tags: Iterable[Record]) -> list[str]:
    return [tag["name"] for tag in tags]


def tag_path(image_id: int, name: str) -> str:
    return f"/images/{image_id}/tags/{quote(name, safe='')}"


def claims_of(client: Client) -> Record:
    """What the client's own token says."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    claims: Record = jwt.decode(token, options={"verify_signature": False})
    return claims


def assert_problem(response: Response, status: int, field: str | None = None, saying: str = "") -> Record:
    """RFC 9457 as the contract has it; `field` is one that `errors` must name."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"]
    assert exposed(response) >= EXPOSED
    problem: Record = response.json()
    assert re.fullmatch(r"https?://.+[/#][a-z-]+", problem["type"])
    assert problem["title"]
    assert problem["detail"]
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert saying in problem["detail"]
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
        assert all(error["message"] for error in problem["errors"])
    return problem


def exposed(response: Response) -> set[str]:
    return {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}


def as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
