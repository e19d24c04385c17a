"""A request into typed values, and typed values into an answer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from types import NoneType
from typing import Any, TypeVar, get_origin
from urllib.parse import quote, urlencode

from chalice.app import Blueprint, CognitoUserPoolAuthorizer, CORSConfig, Request, Response
from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from chalicelib.config import settings
from chalicelib.database.pages import Page
from chalicelib.errors import Forbidden, InvalidRequest, MalformedRequest, UnsupportedMediaType
from chalicelib.routes.shapes.base import Answer, Body, Listing, PageMeta, Paging, Query
from chalicelib.routes.shapes.text import tag_name
from chalicelib.services.callers import ACCEPTED_SCOPES, Caller, Permission, caller_of
from chalicelib.telemetry import touch

AUTHORIZER = CognitoUserPoolAuthorizer("users", provider_arns=[settings().user_pool_arn]).with_scopes(ACCEPTED_SCOPES)
"""With scopes the gateway takes access tokens; without them it would take ID tokens."""

CORS = CORSConfig(
    allow_origin=settings().allowed_origin,
    allow_headers=["Idempotency-Key", "If-Match"],
    expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Request-Id"],
    max_age=3600,
)

MAX_ID = 2**63 - 1
MAX_ERRORS = 100
MAX_FIELD_LENGTH = 200
MAX_PAGE_BYTES = 2_900_000
"""Lambda carries 6 MB, and the quotes in a body are escaped on the way."""

AnyBody = TypeVar("AnyBody", bound=Body)
AnyQuery = TypeVar("AnyQuery", bound=Query)
View = Callable[..., Response]


def route(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    needs: Permission,
    query: type[Query] | None = Query,
    body: type[Body] | None = None,
    content_types: Sequence[str] = ("application/json",),
) -> Callable[[View], View]:
    """Registers a view, which is called if the caller may: with the request, the query and the body if they have shapes
    of their own, and the path's parameters by name. `query=None` leaves both to the view."""

    def register(view: View) -> View:
        @wraps(view)
        def checked(**parameters: str) -> Response:
            request = blueprint.current_request
            touch(**_named(parameters))
            if not caller(request).may(needs):
                raise Forbidden(f"This needs the permission `{needs.name.lower()}`.")
            asked = None if query is None else parsed_query(request, query)
            _check_media_type(request, content_types)
            given = parsed_body(request, body or Body) if query is not None else None
            own_shapes = [shape for shape in (asked, given) if type(shape) not in (Query, Body, NoneType)]
            return view(request, *own_shapes, **parameters)

        types = list(content_types) if body or query is None else []
        blueprint.route(path, methods=[method], authorizer=AUTHORIZER, content_types=types)(checked)
        return view

    return register


def media_type(request: Request) -> str:
    given: str = request.headers.get("content-type", "")
    return given.split(";", maxsplit=1)[0].strip().lower()


def caller(request: Request) -> Caller:
    return caller_of(request.context["authorizer"]["claims"], settings().default_role)


def parsed_body(request: Request, shape: type[AnyBody]) -> AnyBody:
    """No body is taken for {}. Raises MalformedRequest for what is not JSON, InvalidRequest for what does not fit."""
    raw = request.raw_body
    try:
        return shape.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise _refusal(error) from None


def parsed_query(request: Request, shape: type[AnyQuery]) -> AnyQuery:
    """A list is given as a|b or by repeating its parameter, an entry of a dict as `field.key`; anything but a list
    once. Raises InvalidRequest."""
    given: dict[str, Any] = {}
    for name, values in _parameters(request).items():
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


def path_id(value: str, field: str) -> int:
    """Raises InvalidRequest."""
    if not re.fullmatch("[0-9]{1,19}", value) or int(value) > MAX_ID:
        raise InvalidRequest.of(field, f"must be a whole number up to {MAX_ID}")
    return int(value)


def path_tag(value: str) -> str:
    """Raises InvalidRequest."""
    try:
        return tag_name(value)
    except ValueError as error:
        raise InvalidRequest.of("name", str(error)) from None


def answer(shape: Answer, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(
        to_json(shape).decode(),
        status_code=int(status),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def nothing() -> Response:
    return Response("", status_code=int(HTTPStatus.NO_CONTENT))


def listing(
    request: Request, paging: Paging, page: Page[Any], results: Sequence[Answer], key: Callable[[Any], Any]
) -> Response:
    """`key` gives the sort key of a row, for the cursor and the link to the next page. A page that Lambda could not
    carry is cut; its cursor goes on behind the cut."""
    meta = PageMeta.of(paging, page, key(page.rows[-1]) if page.has_more else None)
    response = answer(Listing(results=results, meta=meta), headers=next_link(request, meta.next_cursor))
    half = len(results) // 2
    if half and len(response.body.encode()) > MAX_PAGE_BYTES:
        return listing(request, paging, replace(page, rows=page.rows[:half], has_more=True), results[:half], key)
    return response


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    kept = {name: values for name, values in _parameters(request).items() if name not in {"page", "offset", "cursor"}}
    path = "/" + request.context["path"].split("/", 2)[2]
    query = urlencode({**kept, "cursor": cursor}, doseq=True, quote_via=quote)
    return {"Link": f'<{url_for(request, path)}?{query}>; rel="next"'}


def url_for(request: Request, path: str) -> str:
    """Of a path below the base path, which is the first segment of every path."""
    scheme, base = request.headers.get("x-forwarded-proto", "https"), request.context["path"].split("/")[1]
    return f"{scheme}://{request.context['domainName']}/{base}{path}"


def _parameters(request: Request) -> dict[str, list[str]]:
    parameters = request.query_params
    return {} if parameters is None else {name: parameters.getlist(name) for name in parameters}


def _kind(shape: type[Query], name: str) -> Any:
    """`list` or `dict`, if the field is one."""
    field = shape.model_fields.get(name)
    return field and get_origin(field.annotation)


def _named(parameters: dict[str, str]) -> dict[str, list[int]]:
    """What the path names, for the access log, whatever becomes of the request."""
    kinds = {"image_id": "images", "tag_id": "tags"}
    return {
        kinds[name]: [int(value)]
        for name, value in parameters.items()
        if name in kinds and re.fullmatch("[0-9]{1,19}", value)
    }


def _check_media_type(request: Request, known: Sequence[str]) -> None:
    """Chalice's own check lets lists and wildcards pass."""
    if request.raw_body and media_type(request) not in ("", *known):
        raise UnsupportedMediaType(f"The body is of type {media_type(request)}; this takes {', '.join(known)}.")


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
