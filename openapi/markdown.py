"""Pieces of Markdown, and schemas in a few words."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from openapi.schemas import Schema

Problem = tuple[str, str, str]
"""Status, name, title."""


def problems(several: list[Problem]) -> str:
    rows = [(status, f"[`{slug}`](../errors.md#{slug})", title) for status, slug, title in several]
    return table(("status", "problem", ""), rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join((_row(columns), _row(["---"] * len(columns)), *map(_row, rows)))


def _escaped(text: str) -> str:
    """GitHub ends a cell at every `|`, even within backticks."""
    return " ".join(text.split()).replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def kind(schema: Schema) -> str:
    """In a few words: the type, whether it may be null, its limits, its default."""
    if "$ref" in schema or "allOf" in schema or "oneOf" in schema:
        return link(schema)
    if "anyOf" in schema:
        kinds = dict.fromkeys(kind(each) for each in schema["anyOf"])
        return " or ".join(f"({each})" if ", " in each and len(kinds) > 1 else each for each in kinds)
    inner = schema.get("items") or schema.get("additionalProperties")
    name = schema.get("type", "object")
    name += f" of {kind(inner)}" if isinstance(inner, dict) else ""
    name += " or null" if schema.get("nullable") else ""
    return ", ".join((name, *limits(schema)))


def limits(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield " or ".join(f"`{value}`" for value in schema["enum"])
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ):
        least, most = schema.get(low), schema.get(high)
        if most is not None and not isinstance(most, float):
            yield f"{least or 0:,} to {most:,}{unit}"
        elif least is not None and most is None:
            yield f"at least {least:,}{unit}"
    if "default" in schema:
        yield f"default `{json.dumps(schema['default'])}`"


def link(schema: Schema) -> str:
    references = [schema] if "$ref" in schema else schema.get("oneOf") or schema.get("allOf", ())
    names = [each["$ref"].rpartition("/")[2] for each in references]
    return " or ".join(f"[{name}](#{name.lower()})" for name in names)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def as_json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"
