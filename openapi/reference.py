"""The reference as Markdown, made of the OpenAPI document."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from chalicelib.errors import PROBLEM_JSON
from openapi import markdown, samples
from openapi.schemas import Schema

NAME = "Reference of the Tagged Image Manager API"
REQUIRED = "**Required.** "
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
        self._common = set.intersection(*({*self._problems(operation)} for _, _, operation in self._operations))

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
        server, common = self._document["servers"][0]["url"], markdown.problems(sorted(self._common))
        return (
            f"# {NAME}\n\nVersion {info['version']}. Base URL: `{server}`\n\n{info['description']}\n\n"
            f"## Authentication\n\n{who}\n\n## Problems of any call\n\n{COMMON}\n{common}"
        )

    def _contents(self) -> str:
        rows = [
            (
                f"[{operation['summary']}](#{markdown.anchor(operation['summary'])})",
                f"`{method.upper()} {path}`",
                f"`{operation['x-permission']}`",
            )
            for path, method, operation in self._operations
        ]
        return "## Calls\n\n" + markdown.table(("does", "call", "permission"), rows)

    def _groups(self) -> Iterator[str]:
        for tag in self._document["tags"]:
            yield f"## {tag['name']}\n\n{tag['description']}"
            for path, method, operation in self._operations:
                if tag["name"] in operation["tags"]:
                    yield self._operation(path, method, operation)

    def _operation(self, path: str, method: str, operation: Schema) -> str:
        parameters = [self.resolved(parameter) for parameter in operation.get("parameters", ())]
        answers = {status: self.resolved(answer) for status, answer in operation["responses"].items()}
        own = [problem for problem in self._problems(operation) if problem not in self._common]
        return "\n\n".join(
            (
                f"### {operation['summary']}",
                f"`{method.upper()} {path}`",
                operation["description"],
                self._parameters(parameters),
                self._body(operation),
                samples.of(self._document["servers"][0]["url"], path, method, operation, parameters),
                *(self._answer(status, answer) for status, answer in answers.items() if status < "4"),
                f"#### Problems\n\n{markdown.problems(own)}",
            )
        )

    def _parameters(self, parameters: list[Schema]) -> str:
        if not parameters:
            return ""
        rows = [
            (
                f"`{each['name']}`",
                each["in"],
                markdown.kind(each["schema"]),
                REQUIRED * ("required" in each) + each["description"],
            )
            for each in parameters
        ]
        return "#### Parameters\n\n" + markdown.table(("name", "in", "type", ""), rows)

    def _body(self, operation: Schema) -> str:
        if "requestBody" not in operation:
            return ""
        content = operation["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        others = ", ".join(f"`{kind}`" for kind in content if kind != "application/json")
        also = f"\n\nOr the bytes of the file as they are, as one of {others}." if others else ""
        needed = "" if operation["requestBody"]["required"] else " It may be left out."
        return f"#### Body\n\nJSON: {markdown.link(schema)}.{needed}{also}"

    def _answer(self, status: str, answer: Schema) -> str:
        headers = ", ".join(f"`{name}`" for name in answer["headers"])
        head = f"#### {status} {answer['description']}\n\nHeaders: {headers}."
        if "content" not in answer:
            return head
        content = answer["content"]["application/json"]
        shown = [example["value"] for example in content.get("examples", {}).values()] or [content["example"]]
        return f"{head} Body: {markdown.link(content['schema'])}.\n\n" + "\n\n".join(map(markdown.as_json, shown))

    def _problems(self, operation: Schema) -> list[markdown.Problem]:
        answers = {status: self.resolved(answer) for status, answer in operation["responses"].items()}
        examples = [
            (status, self.resolved(example))
            for status, answer in answers.items()
            for example in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).values()
        ]
        return [
            (status, example["value"]["type"].rpartition("/")[2], example["summary"]) for status, example in examples
        ]

    def _schemas(self) -> str:
        schemas = self._document["components"]["schemas"]
        return "## Schemas\n\n" + "\n\n".join(self._schema(name, schema) for name, schema in schemas.items())

    def _schema(self, name: str, schema: Schema) -> str:
        if "properties" not in schema:
            return f"### {name}\n\n{markdown.kind(schema)}"
        # What we answer is always there as a whole.
        required = schema.get("required", ()) if "additionalProperties" in schema else ()
        rows = [
            (f"`{field}`", markdown.kind(each), REQUIRED * (field in required) + each.get("description", ""))
            for field, each in schema["properties"].items()
        ]
        return f"### {name}\n\n{schema.get('description', '')}\n\n" + markdown.table(("field", "type", ""), rows)


def made(document: Schema) -> str:
    """With the Python in it formatted as ours is."""
    command = (sys.executable, "-m", "ruff", "format", "--stdin-filename", "reference.md", "-")
    formatted = subprocess.run(command, input=Reference(document).text(), capture_output=True, text=True, check=True)
    return formatted.stdout
