"""Tags on the wire."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from chalicelib.routes.shapes.base import Answer, Body, Paging
from chalicelib.routes.shapes.fields import Pattern, TagId, TagName, says

if TYPE_CHECKING:
    from chalicelib.database.tags import CountedTag


class TagDraft(Body):
    name: TagName


class Merge(Body):
    into: Annotated[
        int,
        Field(ge=1, le=2**63 - 1),
        says("The id of the tag that is left: another than the one in the path.", 5, format="int64"),
    ]


class TagQuery(Paging):
    match: Pattern | None = None


@dataclass
class TagRecord(Answer):
    id: TagId
    name: Annotated[str, says("Normalised and trimmed.", "chest-xray")]
    image_count: Annotated[int, says("How many images have it, those in the bin left out.", 1234)]

    @classmethod
    def of(cls, tag: "CountedTag") -> Self:
        return cls(id=tag.id, name=tag.name, image_count=tag.image_count)
