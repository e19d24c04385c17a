"""What a route says of itself, and what is done for every one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TypeVar

from chalice.app import Blueprint, CognitoUserPoolAuthorizer, CORSConfig, Request, Response

from chalicelib.config import settings
from chalicelib.errors import Forbidden
from chalicelib.routes import retries
from chalicelib.routes.payload import check_encoding, check_media_type, check_size, media_type
from chalicelib.routes.request import caller, parsed_body, parsed_path, parsed_query, path_ids
from chalicelib.routes.shapes.base import Body, Query
from chalicelib.services.callers import ACCEPTED_SCOPES, Permission
from chalicelib.telemetry import touch

JSON = "application/json"

AUTHORIZER = CognitoUserPoolAuthorizer("users", provider_arns=[settings().user_pool_arn]).with_scopes(ACCEPTED_SCOPES)
"""With scopes the gateway takes access tokens; without them it would take ID tokens."""

CORS = CORSConfig(
    allow_origin=settings().allowed_origin,
    allow_headers=["Idempotency-Key", "If-Match"],
    expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Request-Id"],
    max_age=3600,
)

View = Callable[..., Response]
AnyView = TypeVar("AnyView", bound=View)


@dataclass(frozen=True)
class Raw:
    """Bytes as the body, described by the query."""

    types: Sequence[str]
    query: type[Query]


@dataclass(frozen=True)
class Operation:
    """What a route says of itself; the OpenAPI document is made of it."""

    id: str
    view: View
    needs: Permission
    query: type[Query]
    body: type[Body]
    raw: Raw | None
    """Taken instead of the query and the body."""
    is_repeated_by_key: bool
    """Whether it takes an Idempotency-Key, so that sending it again does nothing twice."""

    def content_types(self) -> list[str]:
        return [JSON, *(self.raw.types if self.raw else ())]

    def given(self, request: Request) -> list[Query | Body]:
        """Those of the query and the body that have shapes of their own. Raises what is wrong with them."""
        check_size(request, self.body.max_bytes)
        check_encoding(request)
        if self.raw and media_type(request) in self.raw.types:
            return [parsed_query(request, self.raw.query)]
        asked = parsed_query(request, self.query)
        check_media_type(request, self.content_types())
        return [shape for shape in (asked, parsed_body(request, self.body)) if type(shape) not in (Query, Body)]


def route(
    blueprint: Blueprint,
    call: str,
    operation: str,
    *,
    needs: Permission,
    query: type[Query] = Query,
    body: type[Body] = Body,
    raw: Raw | None = None,
) -> Callable[[AnyView], AnyView]:
    """Registers a view for a call like `GET /images`. It is called if the caller may: with the request, the query and
    the body if they have shapes of their own, the path's parameters by name, and the headers that it names as keywords
    with a default."""
    method, path = call.split()

    def register(view: AnyView) -> AnyView:
        described = Operation(operation, view, needs, query, body, raw, is_repeated_by_key=method == "POST")

        @wraps(view)
        def checked(**parameters: str) -> Response:
            request = blueprint.current_request
            touch(**_named(parameters))
            if not caller(request).may(needs):
                raise Forbidden(f"This needs the permission `{needs.name.lower()}`.")
            given = described.given(request)
            headers = {name: request.headers.get(name.replace("_", "-")) for name in view.__kwdefaults__ or ()}
            answer = partial(view, request, *given, **parsed_path(parameters), **headers)
            return retries.once(request, answer) if described.is_repeated_by_key else answer()

        vars(checked)["operation"] = described
        content_types = described.content_types() if body is not Body else []
        blueprint.route(path, methods=[method], authorizer=AUTHORIZER, content_types=content_types)(checked)
        return view

    return register


def _named(parameters: dict[str, str]) -> dict[str, list[int]]:
    """Return what the path names, for the access log, whatever becomes of the request."""
    kinds = {"image_id": "images", "tag_id": "tags"}
    return {kinds[name]: [int(value)] for name, value in path_ids(parameters).items()}
