"""The names on the wire, one a line. `released.txt` records those that clients rely on."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi import document, problems

RELEASED = Path(__file__).with_name("released.txt")
REQUIRED = " (required)"
"""Ends the line of a parameter or field that a request must have."""


def names() -> set[str]:
    """Return every operation, parameter, field, success status, enumerated value and problem type of the API."""
    made = document.made()
    schemas = made["components"]
    found = {f"problem {problem.slug}" for problem in problems.every()}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            found.update(f"{method.upper()} {path} {name}" for name in _operation(operation, schemas))
    return found


def _operation(operation: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    yield f"operationId {operation['operationId']}"
    for reference in operation.get("parameters", ()):
        parameter = _resolved(reference, components)
        yield from _with_required(f"{parameter['in']} {parameter['name']}", bool(parameter.get("required")))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"body {media_type}"
        yield from _fields("body", content["schema"], components, request=True)
    for status, reference in operation["responses"].items():
        answer = _resolved(reference, components)
        if status.startswith("2"):
            yield f"{status}"
            for content in answer.get("content", {}).values():
                yield from _fields(status, content["schema"], components)


def _fields(place: str, reference: Any, components: dict[str, Any], *, request: bool = False) -> Iterator[str]:
    schema = _resolved(reference, components)
    yield from (f"{place} = {value}" for value in schema.get("enum", ()))
    for choice in (choice for kind in ("allOf", "oneOf", "anyOf") for choice in schema.get(kind, ())):
        yield from _fields(place, choice, components, request=request)
    if "items" in schema:
        yield from _fields(f"{place}[]", schema["items"], components, request=request)
    for name, described in schema.get("properties", {}).items():
        field = f"{place}.{name}"
        yield from _with_required(field, request and name in schema.get("required", ()))
        yield from _fields(field, described, components, request=request)


def _with_required(name: str, required: bool) -> Iterator[str]:
    yield name
    if required:
        yield name + REQUIRED


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        _, _, kind, name = schema["$ref"].split("/")
        schema = components[kind][name]
    return schema


if __name__ == "__main__":
    recorded = set(RELEASED.read_text().splitlines()) if RELEASED.exists() else set()
    RELEASED.write_text("".join(f"{name}\n" for name in sorted(recorded | names())))
    sys.stdout.write(f"Recorded in {RELEASED.name}.\n")
