"""The reference as Markdown, made of the OpenAPI document."""

import json
import re
from collections.abc import Iterator
from typing import Any

from openapi import samples
from openapi.schemas import Schema

NAME = "Reference of the Tagged Image Manager API"
COMMON = """\
These problems any call can have; what else may go wrong is said with each. [errors.md](../errors.md) explains them all.
"""


class Reference:
    def __init__(self, document: Schema) -> None:
        self._document = document
        self._operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self._common = set.intersection(*({*operation["responses"]} for _, _, operation in self._operations))

    def text(self) -> str:
        parts = (self._head(), self._contents(), *self._groups(), self._schemas())
        return re.sub(r"\n{3,}", "\n\n", "\n\n".join(parts)).strip() + "\n"

    def resolved(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        found: Any = self._document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)

    def _head(self) -> str:
        info, schemes = self._document["info"], self._document["components"]["securitySchemes"]
        who = "\n\n".join(f"**For a {name}.** {scheme['description']}" for name, scheme in schemes.items())
        first = self._operations[0][2]["responses"]
        failures = self._failures({status: first[status] for status in sorted(self._common) if status >= "4"})
        server = self._document["servers"][0]["url"]
        return (
            f"# {NAME}\n\nVersion {info['version']}. Base URL: `{server}`\n\n{info['description']}\n\n"
            f"## Authentication\n\n{who}\n\n## Problems of any call\n\n{COMMON}\n{failures}"
        )

    def _contents(self) -> str:
        rows = [
            f"| [{operation['summary']}](#{_anchor(operation['summary'])}) | `{method.upper()} {path}` |"
            f" `{operation['x-permission']}` |"
            for path, method, operation in self._operations
        ]
        return _table("Calls", ("does", "call", "permission"), rows)

    def _groups(self) -> Iterator[str]:
        for tag in self._document["tags"]:
            yield f"## {tag['name']}\n\n{tag['description']}"
            for path, method, operation in self._operations:
                if tag["name"] in operation["tags"]:
                    yield self._operation(path, method, operation)

    def _operation(self, path: str, method: str, operation: Schema) -> str:
        parameters = [self.resolved(parameter) for parameter in operation.get("parameters", ())]
        own = {status: answer for status, answer in operation["responses"].items() if status not in self._common}
        return "\n\n".join(
            (
                f"### {operation['summary']}",
                f"`{method.upper()} {path}`",
                operation["description"],
                self._parameters(parameters),
                self._body(operation),
                samples.of(self._document["servers"][0]["url"], path, method, operation, parameters),
                *(self._answer(status, self.resolved(answer)) for status, answer in own.items() if status < "4"),
                self._failures({status: answer for status, answer in own.items() if status >= "4"}),
            )
        )

    def _parameters(self, parameters: list[Schema]) -> str:
        rows = [
            f"| `{each['name']}` | {each['in']} | {_kind(each['schema'])} | {_needed(each)}{_cell(each['description'])}"
            " |"
            for each in parameters
        ]
        return _table("Parameters", ("name", "in", "type", ""), rows, level=4)

    def _body(self, operation: Schema) -> str:
        if "requestBody" not in operation:
            return ""
        content = operation["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        others = ", ".join(f"`{kind}`" for kind in content if kind != "application/json")
        also = f"\n\nOr the bytes of the file as they are, as one of {others}." if others else ""
        needed = "" if operation["requestBody"]["required"] else " It may be left out."
        return f"#### Body\n\nJSON: {_link(schema)}.{needed}{also}"

    def _answer(self, status: str, answer: Schema) -> str:
        headers = ", ".join(f"`{name}`" for name in answer["headers"])
        head = f"#### {status} {answer['description']}\n\nHeaders: {headers}."
        if "content" not in answer:
            return head
        content = answer["content"]["application/json"]
        shown = [example["value"] for example in content.get("examples", {}).values()] or [content["example"]]
        return f"{head} Body: {_link(content['schema'])}.\n\n" + "\n\n".join(map(_json, shown))

    def _failures(self, answers: Schema) -> str:
        rows = [
            f"| {status} | [`{slug}`](../errors.md#{slug}) | {problem['summary']} |"
            for status, answer in answers.items()
            for problem, slug in self._problems(self.resolved(answer))
        ]
        return _table("", ("status", "problem", ""), rows)

    def _problems(self, answer: Schema) -> Iterator[tuple[Schema, str]]:
        for example in answer["content"]["application/problem+json"]["examples"].values():
            problem = self.resolved(example)
            yield problem, problem["value"]["type"].rpartition("/")[2]

    def _schemas(self) -> str:
        schemas = self._document["components"]["schemas"]
        return "## Schemas\n\n" + "\n\n".join(self._schema(name, schema) for name, schema in schemas.items())

    def _schema(self, name: str, schema: Schema) -> str:
        if "properties" not in schema:
            return f"### {name}\n\n{_kind(schema)}"
        required = schema.get("required", ())
        rows = [
            f"| `{field}` | {_kind(each)} | {'**Required.** ' if field in required and not _answers(schema) else ''}"
            f"{_cell(each.get('description', ''))} |"
            for field, each in schema["properties"].items()
        ]
        return f"### {name}\n\n{schema.get('description', '')}\n\n" + _table("", ("field", "type", ""), rows)


def made(document: Schema) -> str:
    return Reference(document).text()


def _answers(schema: Schema) -> bool:
    """Whether it is what we answer: all of it is always there."""
    return "additionalProperties" not in schema


def _table(title: str, columns: tuple[str, ...], rows: list[str], level: int = 2) -> str:
    if not rows:
        return ""
    heading = f"{'#' * level} {title}\n\n" if title else ""
    return "\n".join((f"{heading}| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *rows))


def _kind(schema: Schema) -> str:
    """In a few words: the type, whether it may be null, its limits, its default."""
    if "$ref" in schema or "allOf" in schema or "oneOf" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    inner = schema.get("items") or schema.get("additionalProperties")
    kind = schema.get("type", "object")
    kind = f"{kind} of {_kind(inner)}" if isinstance(inner, dict) else kind
    words = [kind, "null" if schema.get("nullable") else "", *_limits(schema)]
    return ", ".join(filter(None, words)).replace(f"{kind}, null", f"{kind} or null")


def _limits(schema: Schema) -> Iterator[str]:
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


def _link(schema: Schema) -> str:
    references = [schema] if "$ref" in schema else schema.get("oneOf") or schema.get("allOf", ())
    names = [each["$ref"].rpartition("/")[2] for each in references]
    return " or ".join(f"[{name}](#{name.lower()})" for name in names)


def _needed(parameter: Schema) -> str:
    return "**Required.** " if parameter.get("required") else ""


def _cell(text: str) -> str:
    """GitHub splits a row at every `|`, even within backticks."""
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"
