"""The access log on the wire."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from chalicelib.aws.access_log import Entry, Index, Period, Position
from chalicelib.errors import InvalidRequest
from chalicelib.routes.shapes.base import MAX_LIMIT, Answer, Cursor, Limit, Query, opened
from chalicelib.routes.shapes.fields import EndTimestamp, Id, StartTimestamp, says, when
from chalicelib.routes.shapes.text import refused
from chalicelib.services.access_log import kept

ONE_KEY = "Only one of `user_id`, `image_id`, `tag_id` and `day` may be given."


def _iso_date(text: Any) -> Any:
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("must be a date like 2026-01-31")
    return text


class AccessLogQuery(Query):
    user_id: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            says(
                f"Requests of this caller: `sub` of a person, `client_id` of a machine. {ONE_KEY}",
                "5f1b7c1e-0d5c-4a53-9f0a-3a8f2f7a9c11",
            ),
        ]
        | None
    ) = None
    image_id: (
        Annotated[Id, says(f"Requests that touched this image. {ONE_KEY}", 246_471_733_248_007, format="int64")] | None
    ) = None
    tag_id: Annotated[Id, says(f"Requests that touched this tag. {ONE_KEY}", 1, format="int64")] | None = None
    day: (
        Annotated[date, BeforeValidator(_iso_date), says(f"Requests of this day, in UTC. {ONE_KEY}", "2026-01-31")]
        | None
    ) = None
    start_timestamp: StartTimestamp | None = None
    end_timestamp: EndTimestamp | None = None
    limit: Limit = MAX_LIMIT
    cursor: Cursor | None = None

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
        """Returns the last 30 days without a key or a start, since each day takes 17 queries or more."""
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
    request_id: Annotated[str, says("The `X-Request-Id` of the answer.", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef")]
    timestamp: Annotated[int, when("when it came", 1_700_000_000)]
    user_id: Annotated[
        str, says("`sub` of a person, `client_id` of a machine.", "5f1b7c1e-0d5c-4a53-9f0a-3a8f2f7a9c11")
    ]
    client_id: Annotated[str, says("The application that the token was made for.", "3n4b5urk1ft4fl3mg5e62d9ado")]
    source_ip: Annotated[str | None, says("The address that it came from.", "192.0.2.7")]
    user_agent: Annotated[str | None, says("What the client calls itself.", "categorizer/2.1")]
    method: Annotated[str, says("The HTTP method.", "PUT")]
    route: Annotated[str, says("The path with names for its parameters.", "/images/{image_id}")]
    path: Annotated[
        str,
        says(
            "The path, with ids decoded and without a slash at the end; any other value is replaced by its name, as"
            " `{name}` for that of a tag.",
            "/v1/images/246471733248007",
        ),
    ]
    status: Annotated[int, says("The HTTP status of the answer.", 200)]
    duration_ms: Annotated[int, says("How long the service took, in milliseconds.", 12)]
    image_ids: Annotated[list[int], says("Images that the request read or changed one by one.", [246_471_733_248_007])]
    tag_ids: Annotated[list[int], says("Tags that it did.", [1])]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(**vars(entry))
