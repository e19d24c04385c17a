"""Every query that finds images: browsing, by tag, by pattern, by date."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from chalicelib.database.pages import Page, Window, page
from chalicelib.database.tables import Image, Status, Tag, first_id_at, image_tags
from chalicelib.database.tags import like


@dataclass(frozen=True)
class Criteria:
    """All that are given must hold. Timestamps are seconds, inclusive, of creation."""

    exact_tags: tuple[str, ...] = ()
    match_tags: tuple[str, ...] = ()
    any_tags: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    untagged: bool = False
    tag_id: int | None = None
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    uploaded_only: bool = False
    created_by: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    """Keys and values. A value stands for the string, and for the number, boolean or null that it is in JSON."""
    attributes: tuple[tuple[str, str], ...] = ()


def find(session: Session, criteria: Criteria, window: Window) -> Page[Image]:
    """Newest first, with their tags; images in the bin are never among them."""

    def fetch(chosen: Select[*tuple[Any, ...]]) -> Sequence[Image]:
        return session.scalars(chosen.options(selectinload(Image.tags))).all()

    rows = select(Image).where(*_conditions(criteria)).order_by(Image.id.desc())
    return page(session, rows, window, fetch, lambda key: Image.id < key)


def _conditions(criteria: Criteria) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Image.deleted_at.is_(None)]
    conditions += [_tagged(Tag.name == name) for name in criteria.exact_tags]
    conditions += [_tagged(Tag.folded.like(like(pattern))) for pattern in criteria.match_tags]
    if criteria.any_tags:
        conditions.append(_tagged(Tag.name.in_(criteria.any_tags)))
    if criteria.exclude_tags:
        conditions.append(not_(_tagged(Tag.name.in_(criteria.exclude_tags))))
    if criteria.untagged:
        conditions.append(not_(_tagged()))
    if criteria.tag_id is not None:
        conditions.append(_tagged(Tag.id == criteria.tag_id))
    if criteria.start_timestamp is not None:
        conditions.append(Image.id >= first_id_at(criteria.start_timestamp))
    if criteria.end_timestamp is not None:
        conditions.append(Image.id < first_id_at(criteria.end_timestamp + 1))
    if criteria.uploaded_only:
        conditions.append(Image.status == Status.PRESENT)
    if criteria.created_by is not None:
        conditions.append(Image.created_by == criteria.created_by)
    conditions += [_holds(Image.metadata_, *pair) for pair in criteria.metadata]
    conditions += [_holds(Image.attributes, *pair) for pair in criteria.attributes]
    return conditions


def _tagged(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    links = select(image_tags.c.image_id).join(Tag, Tag.id == image_tags.c.tag_id)
    return exists(links.where(image_tags.c.image_id == Image.id, Tag.deleted_at.is_(None), *which))


def _holds(column: InstrumentedAttribute[dict[str, Any]], key: str, value: str) -> ColumnElement[bool]:
    return or_(*(column.contains({key: meaning}) for meaning in meanings(value)))


def meanings(value: str) -> list[Any]:
    """The JSON scalars that a value in a query stands for."""
    try:
        scalar = json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return [value]
    if isinstance(scalar, str | list | dict) or (isinstance(scalar, float) and not math.isfinite(scalar)):
        return [value]
    return [value, scalar]
