"""What a search or a browse may ask for."""

from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from chalicelib.database.search import Criteria
from chalicelib.routes.shapes.base import Paging
from chalicelib.routes.shapes.text import Pattern, TagNames, Timestamp, Truth, refused

MAX_NAMES = 20


class BrowseQuery(Paging):
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    uploaded_only: Truth = False

    def criteria(self, tag_id: int | None = None) -> Criteria:
        return Criteria(
            tag_id=tag_id,
            start_timestamp=self.start_timestamp,
            end_timestamp=self.end_timestamp,
            uploaded_only=self.uploaded_only,
        )


class SearchQuery(BrowseQuery):
    exact_tags: Annotated[TagNames, Field(max_length=MAX_NAMES)] = Field(default_factory=list)
    match_tags: Annotated[list[Pattern], Field(max_length=MAX_NAMES)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _few_names(self) -> Self:
        if len(self.exact_tags) + len(self.match_tags) > MAX_NAMES:
            raise refused("match_tags", f"exact_tags and match_tags may hold at most {MAX_NAMES} names in all")
        return self

    def criteria(self, tag_id: int | None = None) -> Criteria:
        named: dict[str, Any] = {"exact_tags": tuple(self.exact_tags), "match_tags": tuple(self.match_tags)}
        return replace(super().criteria(tag_id), **named)
