"""The access log on the wire."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from chalicelib.aws.access_log import Entry, Index, Period, Position
from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.base import MAX_LIMIT, Answer, Query, opened
from chalicelib.routes.shapes.text import Number, Timestamp, refused
from chalicelib.services.access_log import kept

Id = Annotated[Number, Field(ge=1, le=2**63 - 1)]


def _iso_date(text: Any) -> Any:
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("must be a date like 2026-01-31")
    return text


class AccessLogQuery(Query):
    user_id: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    image_id: Id | None = None
    tag_id: Id | None = None
    day: Annotated[date, BeforeValidator(_iso_date)] | None = None
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    limit: Annotated[Number, Field(ge=1, le=MAX_LIMIT)] = MAX_LIMIT
    cursor: str | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if sum(key is not None for key in (self.user_id, self.image_id, self.tag_id, self.day)) > 1:
            raise refused("user_id", "give only one of user_id, image_id, tag_id and day")
        return self

    def by(self) -> tuple[Index, str | int] | None:
        """The index to look in, and the key; None for all that happened."""
        if self.user_id is not None:
            return "by_user", self.user_id
        if self.image_id is not None:
            return "by_image", self.image_id
        if self.tag_id is not None:
            return "by_tag", self.tag_id
        if self.day is not None:
            return "by_day", self.day.isoformat()
        return None

    def period(self) -> Period:
        """Without a key or a start, the last 30 days: each day is a query."""
        wanted = kept(self.start_timestamp, self.end_timestamp)
        if self.by() is None and self.start_timestamp is None:
            return Period(max(wanted.start, wanted.end - 30 * 24 * 3600), wanted.end)
        return wanted

    def after(self) -> Position | None:
        if self.cursor is None:
            return None
        match opened(self.cursor, list):
            case [str(moment), str(request_id), part] if (
                re.fullmatch(r"[0-9]{14}#[!-~]{1,99}", moment)
                and re.fullmatch(r"[!-~]{1,99}", request_id)
                and type(part) is int
                and 0 <= part < 1000
                and (position := Position(moment, request_id, part)).timestamp <= self.period().end + 1
            ):
                return position
            case _:
                raise InvalidRequest.of("cursor", "is not one that this list gave")


@dataclass
class AccessRecord(Answer):
    request_id: str
    timestamp: int
    user_id: str
    client_id: str
    source_ip: str | None
    user_agent: str | None
    method: str
    route: str
    path: str
    status: int
    duration_ms: int
    image_ids: list[int]
    tag_ids: list[int]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(**vars(entry))
