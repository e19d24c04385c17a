"""Tags on the wire."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from chalicelib.routes.shapes.base import Answer, Body, Paging
from chalicelib.routes.shapes.text import Pattern, TagName

if TYPE_CHECKING:
    from chalicelib.database.tags import CountedTag


class TagDraft(Body):
    name: TagName


class Merge(Body):
    into: Annotated[int, Field(ge=1, le=2**63 - 1)]


class TagQuery(Paging):
    match: Pattern | None = None


@dataclass
class TagRecord(Answer):
    id: int
    name: str
    image_count: int

    @classmethod
    def of(cls, tag: "CountedTag") -> Self:
        return cls(id=tag.id, name=tag.name, image_count=tag.image_count)
