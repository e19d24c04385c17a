"""The OpenAPI document as a whole."""

from collections.abc import Iterator
from typing import Any

import yaml

from chalicelib.services.callers import PERSON_SCOPE, SCOPES
from infrastructure import resources
from openapi import operations, parameters, prose, responses, schemas
from openapi.operations import Call
from openapi.problems import ProblemDetails
from openapi.schemas import Schema, Shape

SECURITY = "cognito"
AUTHORITY = "https://auth.tagged-image-manager.example/oauth2"


def made() -> Schema:
    calls = operations.calls()
    references, shapes = schemas.named(_shapes(calls))
    common = parameters.Common(calls)
    answers = responses.Responses(calls, references, shapes)
    paths: dict[str, Schema] = {}
    for call in calls:
        described = _operation(call, references, shapes, common, answers)
        paths.setdefault(call.path, {})[call.method.lower()] = described
    return {
        "openapi": "3.0.0",
        "info": {"title": "Tagged Image Manager", "version": "1.0.0", "description": prose.flowing(prose.INTRODUCTION)},
        "servers": [{"url": f"https://api.tagged-image-manager.example/{resources.STAGE}"}],
        "tags": _tags(calls),
        "paths": paths,
        "components": {
            "securitySchemes": {SECURITY: _security_scheme()},
            "parameters": common.components,
            "headers": responses.HEADERS,
            "responses": answers.components,
            "links": answers.links,
            "examples": answers.examples,
            "schemas": shapes,
        },
    }


def as_yaml(document: Schema) -> str:
    """Nothing is written as a reference to something earlier: not everyone reads those."""
    return str(yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120))


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def _shapes(calls: list[Call]) -> Iterator[Shape]:
    yield ProblemDetails, "serialization"
    for call in calls:
        if call.has_body:
            yield call.operation.body, "validation"
        for answer in call.answers:
            if answer.shape is not None:
                yield answer.shape, "serialization"


def _operation(
    call: Call,
    references: dict[Any, Schema],
    shapes: dict[str, Schema],
    common: parameters.Common,
    answers: responses.Responses,
) -> Schema:
    summary, description = prose.of_view(call.operation.view)
    needs = call.operation.needs
    described: Schema = {
        "operationId": call.operation.id,
        "tags": [prose.tag_of(call.module)],
        "summary": summary,
        "description": f"{description}\n\nNeeds the permission `{needs.name.lower()}`.".strip(),
        "x-permission": needs.name.lower(),
        "security": [{SECURITY: [scope]} for scope in _scopes(call)],
        "parameters": common.of(call),
    }
    if call.has_body:
        described["requestBody"] = _body(call, references, shapes)
    described["responses"] = answers.of(call)
    return described if described["parameters"] else {k: v for k, v in described.items() if k != "parameters"}


def _scopes(call: Call) -> list[str]:
    """Any one of them lets in: a scope that permits at least this, or a person's, whose group decides."""
    return [scope for scope, permission in SCOPES.items() if permission >= call.operation.needs] + [PERSON_SCOPE]


def _body(call: Call, references: dict[Any, Schema], shapes: dict[str, Schema]) -> Schema:
    shape = call.operation.body
    reference = references[shape]
    content: Schema = {"application/json": {"schema": reference, "example": schemas.example(reference, shapes)}}
    raw = call.operation.raw
    if raw:
        content |= {kind: {"schema": {"type": "string", "format": "binary", "minLength": 1}} for kind in raw.types}
    needed = bool(raw or any(field.is_required() for field in shape.model_fields.values()))
    needed = needed or "minProperties" in shapes[shape.__name__]
    return {"required": needed, "content": content}


def _tags(calls: list[Call]) -> list[Schema]:
    modules = dict.fromkeys(call.module for call in calls)
    return [{"name": prose.tag_of(module), "description": module.__doc__} for module in modules]


def _security_scheme() -> Schema:
    scopes = {f"{resources.RESOURCE_SERVER}/{name}": said for name, said in resources.SCOPES.items()}
    people = {**scopes, PERSON_SCOPE: "A person, signed in by password; the group decides what they may do"}
    return {
        "type": "oauth2",
        "description": prose.flowing(prose.AUTHENTICATION),
        "flows": {
            "authorizationCode": {
                "authorizationUrl": f"{AUTHORITY}/authorize",
                "tokenUrl": f"{AUTHORITY}/token",
                "scopes": people,
            },
            "clientCredentials": {"tokenUrl": f"{AUTHORITY}/token", "scopes": scopes},
        },
    }
