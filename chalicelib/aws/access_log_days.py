"""A day of the access log, spread over several keys of the index by_day.

All requests of a day under one key would limit the whole service: DynamoDB accepts about 1,000 small writes a second
for one partition key, and an index that throttles a write throttles it for the table too:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
Reading a day merges its keys.
"""

import heapq
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

SHARDS = 16

Item = dict[str, Any]


class KeyPage(NamedTuple):
    """Items of one key, newest first, and whether the key has older ones."""

    items: list[Item]
    more: bool


QueryKeys = Callable[[Mapping[str, int]], Sequence[KeyPage]]
"""Returns, for each key, as many of its newest items as are wanted of it."""


def key(day: str, request_id: str) -> str:
    return f"{day}#{zlib.crc32(request_id.encode()) % SHARDS:02d}"


def keys(day: str) -> list[str]:
    """Return every key of a day; entries from before 2026-11-27 have the day itself."""
    return [day, *(f"{day}#{shard:02d}" for shard in range(SHARDS))]


def newest(day: str, limit: int, query: QueryKeys) -> list[Item]:
    """Return the newest items of a day. Query each key first for somewhat more than its share, which nearly always is
    enough; then those that may have more of the newest for as many as are wanted in all."""
    share = min(limit, 4 + limit // 8)
    found = dict(zip(keys(day), query(dict.fromkeys(keys(day), share)), strict=True))
    merged = _merged(found, limit)
    if short := {each: limit for each, part in found.items() if share < limit and _may_lack(part, merged, limit)}:
        found |= zip(short, query(short), strict=True)
        merged = _merged(found, limit)
    return merged


def _merged(found: Mapping[str, KeyPage], limit: int) -> list[Item]:
    parts = [part.items for part in found.values()]
    return list(heapq.merge(*parts, key=_moment, reverse=True))[:limit]


def _may_lack(part: KeyPage, merged: Sequence[Item], limit: int) -> bool:
    """Whether items that were not queried may belong among the merged ones."""
    return part.more and (len(merged) < limit or _moment(part.items[-1]) > _moment(merged[-1]))


def _moment(item: Item) -> str:
    moment: str = item["moment"]
    return moment
