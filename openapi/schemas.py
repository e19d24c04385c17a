"""JSON Schema as pydantic gives it, in the dialect of OpenAPI 3.0."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

Schema = dict[str, Any]
Shape = tuple[Any, Literal["validation", "serialization"]]

PREFIX = "#/components/schemas/"
FIRST = ("type", "nullable", "format", "description", "example", "default", "required")
_RENAMED = {"ge": "minimum", "le": "maximum", "propertyNames": "x-propertyNames"}


def named(shapes: Iterable[Shape]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """A reference for each shape, and the schemas that they refer to, by name."""
    adapters = [(shape, mode, TypeAdapter(shape)) for shape, mode in shapes]
    references, made = TypeAdapter.json_schemas(adapters, ref_template=PREFIX + "{model}")
    schemas = {_name(name): translated(schema) for name, schema in sorted(made["$defs"].items())}
    return {shape: translated(reference) for (shape, _), reference in references.items()}, schemas


def fields(shape: type[BaseModel]) -> dict[str, Schema]:
    """Of a query, whose fields become parameters."""
    properties = shape.model_json_schema()["properties"] if shape.model_fields else {}
    return {name: _not_null(translated(schema)) for name, schema in properties.items()}


def of(annotation: Any) -> Schema:
    return _not_null(translated(TypeAdapter(annotation).json_schema()))


def translated(schema: Schema) -> Schema:
    made: Schema = {}
    for key, value in schema.items():
        made |= _keyword(key, value)
    return dict(sorted(_nullable(made).items(), key=_place))


def _place(entry: tuple[str, Any]) -> int:
    return FIRST.index(entry[0]) if entry[0] in FIRST else len(FIRST)


def example(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """Made of the examples of its parts."""
    if "example" in schema:
        return schema["example"]
    if "$ref" in schema:
        return example(schemas[schema["$ref"].removeprefix(PREFIX)], schemas)
    if schema.get("type") == "array":
        return [example(schema["items"], schemas)]
    if "properties" in schema:
        return {name: example(field, schemas) for name, field in schema["properties"].items()}
    return schema.get("default")


def _keyword(key: str, value: Any) -> Schema:
    if (key in ("title", "default") and isinstance(value, str | None)) or value == "":
        return {}
    if key in _REWRITTEN:
        return _REWRITTEN[key](value)
    return {_RENAMED.get(key, key): translated(value) if key in ("items", "additionalProperties") and value else value}


_REWRITTEN: dict[str, Callable[[Any], Schema]] = {
    "examples": lambda examples: {"example": examples[0]},
    "$ref": lambda reference: {"$ref": PREFIX + _name(reference.removeprefix(PREFIX))},
    "properties": lambda fields: {"properties": {name: translated(field) for name, field in fields.items()}},
    "patternProperties": lambda patterns: {"additionalProperties": translated(next(iter(patterns.values())))},
    "anyOf": lambda choices: {"anyOf": [translated(each) for each in choices]},
    "type": lambda kind: {"type": kind[0], "nullable": True} if isinstance(kind, list) else {"type": kind},
}


def _nullable(schema: Schema) -> Schema:
    """`anyOf` with null is a word of its own in 3.0; a reference takes no word beside it."""
    match schema:
        case {"anyOf": [one, {"type": "null"}], **rest}:
            return {**one, **rest, "nullable": True}
        case {"$ref": reference, **rest} if rest:
            return {"allOf": [{"$ref": reference}], **rest}
    return schema


def _not_null(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "nullable"}


def _name(given: str) -> str:
    """`Listing_ImageRecord_` is a page of images."""
    return re.sub(r"^Listing_(\w+?)_$", r"\1Page", given)
