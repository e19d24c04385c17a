"""What bodies, queries, answers and pages have in common."""

import base64
import binascii
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chalicelib.database.pages import Page, Window
from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.fields import Number, Truth, says
from chalicelib.routes.shapes.text import refused
from chalicelib.services.limits import CONTROL

MAX_LIMIT = 100
MAX_OFFSET = 10_000
CURSOR_EXAMPLE = "MjQ2NDcxNzMzMjQ4MDA3"

Limit = Annotated[Number, Field(ge=1, le=MAX_LIMIT), says("The most results to give.", 50)]
Cursor = Annotated[
    str,
    says(
        "Goes on behind an earlier page: its `meta.next_cursor`, as it is, beside the same conditions.",
        CURSOR_EXAMPLE,
        format="cursor",
    ),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    max_bytes: ClassVar[int] = 1_000_000
    """Far beyond all that the fields may hold, however it is escaped; and small enough to be read in no time."""


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Answer:
    """A dataclass: what we say ourselves needs no validation, which would be most of the cost of a page."""


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class Paging(Query):
    limit: Limit = MAX_LIMIT
    page: (
        Annotated[
            Number,
            Field(ge=0),
            says(
                f"Which page, from 0 on; `page * limit` is at most {MAX_OFFSET:,}. Not beside `offset` or `cursor`.",
                0,
                maximum=MAX_OFFSET,
            ),
        ]
        | None
    ) = None
    offset: (
        Annotated[
            Number,
            Field(ge=0),
            says(
                f"Number of results to skip, at most {MAX_OFFSET:,}. Not beside `page` or `cursor`.",
                0,
                maximum=MAX_OFFSET,
            ),
        ]
        | None
    ) = None
    cursor: Cursor | None = None
    total: Annotated[Truth, says("Whether to count all that match; `false` is quicker.")] = True

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.page, self.offset, self.cursor)) > 1:
            raise refused("cursor" if self.cursor is not None else "offset", "give only one of page, offset and cursor")
        if (self.page or 0) * self.limit > MAX_OFFSET:
            raise refused("page", f"page * limit is at most {MAX_OFFSET}; go on with the cursor of meta.next_cursor")
        if (self.offset or 0) > MAX_OFFSET:
            raise refused("offset", f"must be at most {MAX_OFFSET}; go on with the cursor of meta.next_cursor")
        return self

    @property
    def by_number(self) -> bool:
        """Whether the next page begins where the client counts to, not where this one ends."""
        return self.page is not None or self.offset is not None

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
    limit: Annotated[int, says("The limit that applied.", 100)]
    current_page: Annotated[int | None, says("Counted from 0; null when paging by cursor.", 0)]
    has_more_pages: Annotated[bool, says("Whether there are more results behind these.", True)]
    next_cursor: Annotated[
        str | None, says("Give it as `cursor` to get the next page; null on the last one.", CURSOR_EXAMPLE)
    ]
    total_results: Annotated[
        int | None, says("How many match in all, up to 10,000; null where they were not counted.", 1234)
    ]
    total_relation: Annotated[
        Literal["eq", "gte"] | None, says("Whether `total_results` is exact (`eq`) or at least so many (`gte`).", "eq")
    ]

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
class Listing(Answer, Generic[AnyAnswer]):
    results: Annotated[Sequence[AnyAnswer], says("This page of the list.")]
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
