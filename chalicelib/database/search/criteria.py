"""What a search may ask for."""

from dataclasses import dataclass

from chalicelib.database.ranges import AttributeRange


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
    """The same, of keywords; of an attribute with several values, one of them."""
    attribute_ranges: tuple[AttributeRange, ...] = ()
