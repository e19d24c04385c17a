"""A request into typed values."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_origin
from urllib.parse import unquote

from chalice.app import Request
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chalicelib.config import settings
from chalicelib.errors import InvalidRequest, MalformedRequest
from chalicelib.routes.payload import MAX_FIELD_LENGTH, check_json
from chalicelib.routes.shapes.base import Body, Query
from chalicelib.services.callers import Caller, caller_of
from chalicelib.services.limits import tag_name

MAX_ID = 2**63 - 1
MAX_ERRORS = 100

AnyBody = TypeVar("AnyBody", bound=Body)
AnyQuery = TypeVar("AnyQuery", bound=Query)


def caller(request: Request) -> Caller:
    chosen = settings()
    return caller_of(request.context["authorizer"]["claims"], chosen.default_role, chosen.denied_callers)


def parsed_body(request: Request, shape: type[AnyBody]) -> AnyBody:
    """No body is taken for {}. Raises MalformedRequest for what is not JSON, InvalidRequest for what does not fit."""
    raw: bytes = request.raw_body or b"{}"  # type: ignore[assignment]
    try:
        read = shape.model_validate_json(raw)
    except ValidationError as error:
        raise _refusal(error) from None
    check_json(raw)
    return read


def parsed_query(request: Request, shape: type[AnyQuery]) -> AnyQuery:
    """A list is given as a|b or by repeating its parameter, an entry of a dict as `field.key`; anything but a list
    once. Raises InvalidRequest."""
    given: dict[str, Any] = {}
    for name, values in parameters(request).items():
        field, dot, key = name.partition(".")
        if _kind(shape, name) is list:
            given[name] = [value for joined in values for value in joined.split("|")]
        elif len(values) > 1:
            raise InvalidRequest.of(name, "is given more than once")
        elif _kind(shape, name) is dict:
            raise InvalidRequest.of(name, f"is given as {name}.<key>")
        elif dot and _kind(shape, field) is dict:
            given.setdefault(field, {})[key] = values[0]
        else:
            given[name] = values[0]
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise _refusal(error) from None


def parameters(request: Request) -> dict[str, list[str]]:
    parameters = request.query_params
    return {} if parameters is None else {name: parameters.getlist(name) for name in parameters}


def parsed_path(parameters: Mapping[str, str]) -> dict[str, int | str]:
    """Return the path parameters as values; API Gateway passes them on as they were sent, percent-encoded. Raise
    InvalidRequest."""
    decoded = {name: _decoded(text, name) for name, text in parameters.items()}
    return {name: _path_tag(text) if name == "name" else _path_id(text, name) for name, text in decoded.items()}


def path_ids(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return those path parameters that are ids, decoded, without any whose value cannot be an id."""
    decoded = {name: unquote(text) for name, text in parameters.items() if name.endswith("_id")}
    return {name: text for name, text in decoded.items() if re.fullmatch("[0-9]{1,19}", text)}


def base_path(request: Request) -> str:
    """Return what precedes the resource in the path of the request: `/v1` below the stage's own address, on a custom
    domain the base path, which may be empty or have several segments."""
    resource_segments = request.context["resourcePath"].count("/")
    segments = request.context["path"].removesuffix("/").split("/")
    return "/".join(segments[:-resource_segments])


def _kind(shape: type[Query], name: str) -> Any:
    """`list` or `dict`, if the field is one."""
    field = shape.model_fields.get(name)
    return field and get_origin(field.annotation)


def _decoded(value: str, field: str) -> str:
    """Decode a path parameter, once: `%252F` is the text `%2F`. A plus sign stays one, unlike in a query."""
    if re.search("%(?![0-9A-Fa-f]{2})", value):
        raise InvalidRequest.of(field, "has a % without two hexadecimal digits after it; write % itself as %25")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest.of(field, "must be percent-encoded UTF-8") from None


def _path_id(value: str, field: str) -> int:
    if not re.fullmatch("[0-9]{1,19}", value) or int(value) > MAX_ID:
        raise InvalidRequest.of(field, f"must be a whole number up to {MAX_ID}")
    return int(value)


def _path_tag(value: str) -> str:
    try:
        return tag_name(value)
    except ValueError as error:
        raise InvalidRequest.of("name", str(error)) from None


def _refusal(error: ValidationError) -> MalformedRequest | InvalidRequest:
    problems = error.errors(include_url=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return MalformedRequest(f"The body is not JSON: {problems[0]['ctx']['error']}.")
    return InvalidRequest(
        [{"field": _field(problem), "message": _message(problem)} for problem in problems[:MAX_ERRORS]]
    )


def _field(problem: ErrorDetails) -> str:
    path = (*problem["loc"], *problem.get("ctx", {}).get("fields", ()))
    if path[2:] == ("[key]",):  # so pydantic says that it is the key that it refuses, not the value
        path = path[:2]
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return named.removeprefix(".")[:MAX_FIELD_LENGTH] or "body"


def _message(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "is not known here"
        case "missing":
            return "is needed"
        case _:
            return problem["msg"].removeprefix("Value error, ")
