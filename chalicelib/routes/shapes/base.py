"""What bodies, queries, answers and pages have in common."""

import base64
import binascii
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chalicelib.database.pages import Page, Window
from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.text import CONTROL, Number, Truth, refused

MAX_LIMIT = 100
MAX_OFFSET = 10_000


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Answer:
    """A dataclass: what we say ourselves needs no validation, which would be most of the cost of a page."""


class Paging(Query):
    limit: Annotated[Number, Field(ge=1, le=MAX_LIMIT)] = MAX_LIMIT
    page: Annotated[Number, Field(ge=0)] | None = None
    offset: Annotated[Number, Field(ge=0, le=MAX_OFFSET)] | None = None
    cursor: str | None = None
    total: Truth = True

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.page, self.offset, self.cursor)) > 1:
            raise refused("cursor" if self.cursor is not None else "offset", "give only one of page, offset and cursor")
        if (self.page or 0) * self.limit > MAX_OFFSET:
            raise refused("page", f"page * limit is at most {MAX_OFFSET}; go on with the cursor of meta.next_cursor")
        return self

    def window(self, key: type) -> Window:
        """`key` is the type of the list's sort key, which the cursor holds."""
        offset = self.offset if self.offset is not None else (self.page or 0) * self.limit
        after = None if self.cursor is None else opened(self.cursor, key)
        return Window(self.limit, offset, after, self.total)

    def current_page(self) -> int | None:
        if self.cursor is not None:
            return None
        return self.page if self.page is not None else (self.offset or 0) // self.limit


@dataclass
class PageMeta(Answer):
    limit: int
    current_page: int | None
    has_more_pages: bool
    next_cursor: str | None
    total_results: int | None
    total_relation: str | None

    @classmethod
    def of(cls, paging: Paging, page: Page[Any], next_key: Any) -> Self:
        return cls(
            limit=paging.limit,
            current_page=paging.current_page(),
            has_more_pages=page.has_more,
            next_cursor=sealed(next_key) if page.has_more else None,
            total_results=page.total,
            total_relation=None if page.total is None else "eq" if page.total_is_exact else "gte",
        )


@dataclass
class Listing(Answer):
    results: Sequence[Answer]
    meta: PageMeta


def sealed(key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def opened(cursor: str, kind: type) -> Any:
    """Raises InvalidRequest for anything that `sealed` did not make of this kind of key."""
    key: Any = None
    with suppress(binascii.Error, ValueError, RecursionError):
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True))
    if (
        type(key) is not kind
        or (isinstance(key, int) and abs(key) >= 2**63)
        or (isinstance(key, str) and CONTROL.search(key))
    ):
        raise InvalidRequest.of("cursor", "is not one that this list gave")
    return key
