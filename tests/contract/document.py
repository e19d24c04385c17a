"""Holds every answer of the service to its OpenAPI document: status, headers, body."""

import json
import re
from functools import cache, reduce
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from httpx import Response

from tests.contract.builders import NO_IMAGE, NO_TAG

Schema = dict[str, Any]

FILE = Path(__file__).parents[2] / "design-docs" / "openapi" / "tagged-image-manager.yml"
OF_HTTP = {"content-type", "content-length", "date", "connection"}
NOT_OF_AN_OPERATION = {401: "unauthorized", 404: "not-found", 413: "payload-too-large"}
"""What the gateway says of a request that the document does not describe."""


def calls() -> list[str]:
    """Each with its permission, for an image, a tag and a name that could be."""
    values = {"{image_id}": str(NO_IMAGE), "{tag_id}": str(NO_TAG), "{name}": "ct"}
    return [
        f"{method.upper()} {reduce(lambda text, name: text.replace(name, values[name]), values, path)}"
        f" {operation['x-permission']}"
        for path, methods in _document()["paths"].items()
        for method, operation in methods.items()
    ]


def hold(response: Response) -> None:
    """Fails if the document does not promise this answer."""
    response.read()
    if response.request.method == "OPTIONS":
        return
    operation = _operation(response)
    if operation is None:
        assert slug(response) == NOT_OF_AN_OPERATION[response.status_code]
        return
    promised = _resolved(operation["responses"].get(str(response.status_code)))
    assert promised is not None, f"{operation['operationId']} may not answer {response.status_code}: {response.text}"
    _hold_headers(response, promised)
    _hold_body(response, promised)


def slug(response: Response) -> str:
    """The name that ends the problem's type."""
    return re.split("[/#]", response.json()["type"])[-1]


def _hold_headers(response: Response, promised: Schema) -> None:
    documented = {name.lower() for name in promised["headers"]}
    given = {name.lower() for name in response.headers if not name.lower().startswith("access-control-")}
    assert given <= documented | OF_HTTP, f"undocumented headers: {given - documented - OF_HTTP}"
    missing = documented - given - {"link"}
    if response.status_code == 409 and slug(response) != "request-in-progress":
        missing -= {"retry-after"}
    assert not missing, f"missing headers: {missing}"


def _hold_body(response: Response, promised: Schema) -> None:
    if "content" not in promised:
        assert not response.content
        return
    content = promised["content"][response.headers["Content-Type"]]
    _validator(json.dumps(content["schema"])).validate(response.json())
    if "problem" in response.headers["Content-Type"]:
        slugs = [_resolved(example)["value"]["type"].rpartition("/")[2] for example in content["examples"].values()]
        assert slug(response) in slugs, f"{response.json()} is not one of {slugs}"


def _operation(response: Response) -> Schema | None:
    path = response.request.url.raw_path.decode().partition("?")[0].removeprefix("/v1")
    for template, methods in _document()["paths"].items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path.removesuffix("/")):
            operation: Schema | None = methods.get(response.request.method.lower())
            return operation
    return None


@cache
def _document() -> Schema:
    document: Schema = yaml.safe_load(FILE.read_text())
    return document


def _resolved(schema: Any) -> Any:
    if not isinstance(schema, dict) or "$ref" not in schema:
        return schema
    found = _document()
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


@cache
def _validator(schema: str) -> Any:
    whole = {**_strict(json.loads(schema)), "components": {"schemas": _strict(_document()["components"]["schemas"])}}
    return jsonschema_rs.Draft7Validator(whole)


def _strict(schema: Any) -> Any:
    """As JSON Schema has it: null as a type. Objects have no fields but those that are named."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key not in {"example", "nullable"}}
    if isinstance(schema.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made
