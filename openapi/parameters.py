"""Parameters of the calls; each is a component, since most belong to several calls."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from openapi import schemas
from openapi.operations import Call
from openapi.schemas import Schema

REFERENCE = "#/components/parameters/"
PIPES = "Names with `|` between them (percent-encoded `%7C`), or the parameter repeated."


class Common:
    """The parameters of all calls, by a name of their own each."""

    def __init__(self, calls: list[Call]) -> None:
        self.components: dict[str, Schema] = {}
        for parameter in (each for call in calls for each in _parameters(call)):
            known = self.components.setdefault(_component(parameter), parameter)
            assert known == parameter, f"{parameter['name']} is not the same everywhere"  # noqa: S101

    @staticmethod
    def of(call: Call) -> list[Schema]:
        return [{"$ref": REFERENCE + _component(parameter)} for parameter in _parameters(call)]


def _component(parameter: Schema) -> str:
    pascal = "".join(word.title() for word in re.split("[-_]", parameter["name"]))
    return pascal if parameter["in"] != "path" else f"{pascal}InPath"


def _parameters(call: Call) -> Iterator[Schema]:
    for name, kind in call.path_parameters().items():
        yield _parameter(name, "path", schemas.of(kind), required=True)
    for name, kind in call.headers().items():
        yield _parameter(name, "header", schemas.of(kind))
    yield from _of_query(call.operation.query)
    if call.operation.raw:
        yield from _of_raw(call.operation.raw.query)


def _of_query(query: type[BaseModel]) -> Iterator[Schema]:
    for name, schema in schemas.fields(query).items():
        yield _parameter(name, "query", schema)


def _of_raw(query: type[BaseModel]) -> Iterator[Schema]:
    """OpenAPI cannot say that a parameter belongs to some media types only."""
    for name, field in query.model_fields.items():
        schema = schemas.fields(query)[name]
        how = "needed" if field.is_required() else "taken"
        said = f"Of raw bytes as the body, where it is {how}; refused beside JSON. {schema['description']}"
        yield _parameter(name, "query", {"minItems": 1, **schema} if schema["type"] == "array" else schema) | {
            "description": _with_pipes(said, schema)
        }


def _parameter(name: str, place: str, schema: Schema, *, required: bool = False) -> Schema:
    content = dict(schema)
    description, example = content.pop("description"), content.pop("example", content.get("default"))
    made: dict[str, Any] = {"name": name, "in": place, "description": _with_pipes(description, schema)}
    if required:
        made["required"] = True
    if place == "query" and schema["type"] in ("array", "object"):
        # An array is not pipeDelimited: clients made from that send the pipe as it is, which API Gateway refuses.
        made |= {"style": "form", "explode": True}
    return {**made, "schema": content, "example": example}


def _with_pipes(description: str, schema: Schema) -> str:
    return f"{description} {PIPES}" if schema["type"] == "array" and PIPES not in description else description
