"""The OpenAPI document as a whole."""

from collections.abc import Iterator
from typing import Any

import yaml

from chalicelib.services.callers import PERSON_SCOPE, SCOPES, Permission
from infrastructure import resources
from openapi import operations, parameters, prose, responses, schemas
from openapi.operations import Call
from openapi.problems import ProblemDetails
from openapi.schemas import Schema, Shape

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
            "securitySchemes": _security_schemes(),
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
        "security": _security(needs),
        "parameters": common.of(call),
    }
    if call.has_body:
        described["requestBody"] = _body(call, references, shapes)
    described["responses"] = answers.of(call)
    return described if described["parameters"] else {k: v for k, v in described.items() if k != "parameters"}


def _security(needed: Permission) -> list[Schema]:
    """A person's group decides, whichever scope lets them in."""
    machine = next(scope for scope, permission in SCOPES.items() if permission == needed)
    return [{"person": [PERSON_SCOPE]}, {"machine": [machine]}]


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


def _security_schemes() -> dict[str, Schema]:
    scopes = {f"{resources.RESOURCE_SERVER}/{name}": said for name, said in resources.SCOPES.items()}
    token = f"{AUTHORITY}/token"
    hosted = {"authorizationUrl": f"{AUTHORITY}/authorize", "tokenUrl": token}
    person = {**scopes, PERSON_SCOPE: "What a sign-in by password gives"}
    return {
        "person": _oauth2(prose.PERSON, "authorizationCode", {**hosted, "scopes": person}),
        "machine": _oauth2(prose.MACHINE, "clientCredentials", {"tokenUrl": token, "scopes": scopes}),
    }


def _oauth2(description: str, flow: str, details: Schema) -> Schema:
    return {"type": "oauth2", "description": prose.flowing(description), "flows": {flow: details}}
