"""What a search or a browse may ask for."""

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from chalicelib.database import search
from chalicelib.routes.shapes.base import Paging
from chalicelib.routes.shapes.text import (
    AttributeKeyword,
    CallerId,
    MetadataKey,
    MetadataValue,
    Pattern,
    TagNames,
    Timestamp,
    Truth,
    refused,
)

MAX_NAMES = 20
MAX_PAIRS = 20


class BrowseQuery(Paging):
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    uploaded_only: Truth = False

    def criteria(self, tag_id: int | None = None) -> "search.Criteria":
        return search.Criteria(
            tag_id=tag_id,
            start_timestamp=self.start_timestamp,
            end_timestamp=self.end_timestamp,
            uploaded_only=self.uploaded_only,
        )


class SearchQuery(BrowseQuery):
    exact_tags: TagNames = Field(default_factory=list)
    match_tags: list[Pattern] = Field(default_factory=list)
    any_tags: TagNames = Field(default_factory=list)
    exclude_tags: TagNames = Field(default_factory=list)
    untagged: Truth = False
    created_by: CallerId | None = None
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict)
    attributes: dict[AttributeKeyword, MetadataValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _few(self) -> Self:
        lists = ("exact_tags", "match_tags", "any_tags", "exclude_tags")
        names = [field for field in lists for _ in getattr(self, field)]
        if len(names) > MAX_NAMES:
            raise refused(names[MAX_NAMES], f"{', '.join(lists)} may hold at most {MAX_NAMES} names in all")
        pairs = [f"{field}.{key}" for field in ("metadata", "attributes") for key in getattr(self, field)]
        if len(pairs) > MAX_PAIRS:
            raise refused(pairs[MAX_PAIRS], f"at most {MAX_PAIRS} of metadata and attributes may be asked for at once")
        return self

    def criteria(self, tag_id: int | None = None) -> "search.Criteria":
        return replace(
            super().criteria(tag_id),
            exact_tags=tuple(self.exact_tags),
            match_tags=tuple(self.match_tags),
            any_tags=tuple(self.any_tags),
            exclude_tags=tuple(self.exclude_tags),
            untagged=self.untagged,
            created_by=self.created_by,
            metadata=tuple(self.metadata.items()),
            attributes=tuple(self.attributes.items()),
        )
