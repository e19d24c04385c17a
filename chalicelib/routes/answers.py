"""Typed values into answers. A view's return type says what it answers: which status, which headers, which shape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote, urlencode

from chalice.app import Request, Response
from pydantic_core import to_json

from chalicelib.database.pages import Page
from chalicelib.errors import InvalidRequest
from chalicelib.routes.request import base_path, parameters
from chalicelib.routes.shapes.base import Answer, Listing, PageMeta, Paging

MAX_PAGE_BYTES = 2_900_000
"""Lambda carries 6 MB, and the quotes in a body are escaped on the way."""

_TOO_LARGE = (
    f"these results are more than one answer can hold ({MAX_PAGE_BYTES:,} bytes); give a smaller limit, or leave out"
    " page and offset and follow the cursor of meta.next_cursor"
)

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class Answered(Response, Generic[AnyAnswer]):
    status: ClassVar[HTTPStatus] = HTTPStatus.OK
    has: ClassVar[tuple[str, ...]] = ()
    """Headers of its own."""

    def __init__(self, shape: AnyAnswer, *values: str) -> None:
        """The values are those of its headers."""
        headers: Mapping[str, str] = dict(zip(self.has, values, strict=True))
        super().__init__(
            to_json(shape).decode(),
            status_code=int(self.status),
            headers={"Content-Type": "application/json", **headers},
        )


class Versioned(Answered[AnyAnswer]):
    has = ("ETag",)


class Located(Answered[AnyAnswer]):
    has = ("Location",)


class Created(Located[AnyAnswer]):
    status = HTTPStatus.CREATED


class Listed(Answered[Listing[AnyAnswer]], Generic[AnyAnswer]):
    may_have: ClassVar[tuple[str, ...]] = ("Link",)

    def __init__(self, listing: Listing[AnyAnswer], request: Request) -> None:
        super().__init__(listing)
        if listing.meta.next_cursor is not None:
            self.headers["Link"] = f'<{_next_page(request, listing.meta.next_cursor)}>; rel="next"'


class Nothing(Response):
    status: ClassVar[HTTPStatus] = HTTPStatus.NO_CONTENT

    def __init__(self) -> None:
        super().__init__("", status_code=int(self.status))


def listing(
    request: Request, paging: Paging, page: Page[Any], results: Sequence[AnyAnswer], key: Callable[[Any], Any]
) -> Listed[AnyAnswer]:
    """Return a page of a list; `key` gives the sort key of a row, for the cursor and the link to the next page. A page
    that Lambda could not carry is cut, and its cursor continues after the last result. Raise InvalidRequest for such a
    page by number: the next number would skip what was cut off."""
    meta = PageMeta.of(paging, page, key(page.rows[-1]) if page.has_more else None)
    response = Listed(Listing(results=results, meta=meta), request)
    half = len(results) // 2
    if half and len(response.body.encode()) > MAX_PAGE_BYTES:
        if paging.by_number:
            raise InvalidRequest.of("limit", _TOO_LARGE)
        return listing(request, paging, replace(page, rows=page.rows[:half], has_more=True), results[:half], key)
    return response


def url_for(request: Request, path: str) -> str:
    """Return the URL of a path below the base path."""
    scheme = request.headers.get("x-forwarded-proto", "https")
    return f"{scheme}://{request.context['domainName']}{base_path(request)}{path}"


def _next_page(request: Request, cursor: str) -> str:
    kept = {name: values for name, values in parameters(request).items() if name not in {"page", "offset", "cursor"}}
    path = request.context["path"].removeprefix(base_path(request))
    return f"{url_for(request, path)}?{urlencode({**kept, 'cursor': cursor}, doseq=True, quote_via=quote)}"
