"""What a search or a browse may ask for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from chalicelib.database import ranges, search
from chalicelib.routes.shapes.base import Paging
from chalicelib.routes.shapes.fields import (
    AttributeKeyword,
    CallerId,
    EndTimestamp,
    ListedPattern,
    MetadataKey,
    MetadataValue,
    StartTimestamp,
    TagName,
    Truth,
    says,
)
from chalicelib.routes.shapes.text import METADATA_KEY_PATTERN, refused, unique

MAX_NAMES = 20
MAX_PAIRS = 20
METADATA_PARAMETER = METADATA_KEY_PATTERN.replace("^", r"^metadata\.", 1)
ATTRIBUTE_PARAMETER = r"^attributes\.[A-Za-z0-9]{1,64}[<>]?$"


def few(description: str, *example: str) -> Any:
    """Of a list of names; how many there may be in all lists together, no schema can say."""
    return says(description, list(example), minItems=1, maxItems=MAX_NAMES)


class BrowseQuery(Paging):
    start_timestamp: StartTimestamp | None = None
    end_timestamp: EndTimestamp | None = None
    uploaded_only: Annotated[Truth, says("Only images whose file is there.", True)] = False

    def criteria(self, tag_id: int | None = None) -> "search.Criteria":
        return search.Criteria(
            tag_id=tag_id,
            start_timestamp=self.start_timestamp,
            end_timestamp=self.end_timestamp,
            uploaded_only=self.uploaded_only,
        )


class SearchQuery(BrowseQuery):
    exact_tags: Annotated[list[TagName], few("Every one of these tags is on the image.", "chest-xray", "urgent")] = (
        Field(default_factory=list)
    )
    match_tags: Annotated[
        list[ListedPattern],
        few(
            "For each of these patterns some tag on the image matches: `match_tags=chest%25` is any that begins with"
            " chest.",
            "Chest-XRay",
        ),
    ] = Field(default_factory=list)
    any_tags: Annotated[list[TagName], few("At least one of these tags is on the image.", "ct", "mr")] = Field(
        default_factory=list
    )
    exclude_tags: Annotated[list[TagName], few("None of these tags is on the image.", "rejected")] = Field(
        default_factory=list
    )
    untagged: Annotated[Truth, says("Only images that have no tag at all.", False)] = False
    created_by: CallerId | None = None
    metadata: Annotated[
        dict[MetadataKey, MetadataValue],
        says(
            "Equality with an entry of the image's metadata, each as a parameter `metadata.<key>`: `metadata.ward=B2`."
            " Numbers, booleans and null are written as in JSON. At most 20 conditions on metadata and attributes in"
            " all.",
            {"metadata.ward": "B2"},
            **{"x-propertyNames": {"pattern": METADATA_PARAMETER}},
        ),
    ] = Field(default_factory=dict)
    attributes: Annotated[
        dict[AttributeKeyword, MetadataValue],
        says(
            "An attribute that was read from the file. Equality as a parameter `attributes.<Keyword>`:"
            " `attributes.Modality=CT`; of an attribute with several values, one of them. Ranges,"
            " inclusive, by a name that ends in `>` or `<` (percent-encoded `%3E`, `%3C`): `attributes.Rows>=512`,"
            " `attributes.StudyDate<=2020-05`. A bound is a number, or a date: a year, a month or a day. An attribute"
            " that is a date without day or month is within a range if one of its days is. At most 20 conditions on"
            " metadata and attributes in all.",
            {"attributes.Modality": "CT", "attributes.Rows>": "512"},
            **{"x-propertyNames": {"pattern": ATTRIBUTE_PARAMETER}},
        ),
    ] = Field(default_factory=dict)

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

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for name, bound in self.attributes.items():
            if name[-1] in "<>" and not (ranges.is_number(bound) or ranges.is_date(bound)):
                raise refused(f"attributes.{name}", "must be a number or a date such as 2020, 2020-05 or 2020-05-01")
        return self

    def _ranges(self) -> "Iterator[search.AttributeRange]":
        for keyword in dict.fromkeys(name[:-1] for name in self.attributes if name[-1] in "<>"):
            bounds = (self.attributes.get(f"{keyword}{sign}") for sign in "><")
            yield search.AttributeRange(keyword, *bounds)

    def criteria(self, tag_id: int | None = None) -> "search.Criteria":
        return replace(
            super().criteria(tag_id),
            exact_tags=tuple(unique(self.exact_tags)),
            match_tags=tuple(self.match_tags),
            any_tags=tuple(unique(self.any_tags)),
            exclude_tags=tuple(unique(self.exclude_tags)),
            untagged=self.untagged,
            created_by=self.created_by,
            metadata=tuple(self.metadata.items()),
            attributes=tuple((name, value) for name, value in self.attributes.items() if name[-1] not in "<>"),
            attribute_ranges=tuple(self._ranges()),
        )
