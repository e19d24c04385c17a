"""One page of a list: where it begins, what it holds, how many rows the whole list has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

TOTAL_LIMIT = 10_000
"""Totals are exact up to here; beyond, counting would cost more than the page."""

Row = TypeVar("Row")


@dataclass(frozen=True)
class Window:
    limit: int
    offset: int = 0
    after: Any = None
    """The sort key of the last row of the page before, when paging by cursor."""
    total: bool = True


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    has_more: bool
    total: int | None
    """Of the whole list, up to TOTAL_LIMIT; None: not asked for."""
    total_is_exact: bool = True
    """If not, there are at least so many."""


def page(
    session: "Session",
    rows: "Select[*tuple[Any, ...]]",
    window: Window,
    fetch: "Callable[[Select[*tuple[Any, ...]]], Sequence[Row]]",
    behind: "Callable[[Any], ColumnElement[bool]]",
) -> Page[Row]:
    """`fetch` turns the statement into rows; `behind` is the condition that a row comes after a sort key."""
    count = session.scalars(_capped_count(rows)).one() if window.total else None
    if window.after is not None:
        rows = rows.where(behind(window.after))
    found = fetch(rows.limit(window.limit + 1).offset(window.offset))
    total = None if count is None else min(count, TOTAL_LIMIT)
    return Page(found[: window.limit], len(found) > window.limit, total, total == count)


def _capped_count(rows: "Select[*tuple[Any, ...]]") -> "Select[int]":
    from sqlalchemy import func, select

    return select(func.count()).select_from(rows.order_by(None).limit(TOTAL_LIMIT + 1).subquery())
