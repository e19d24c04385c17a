"""The access-log table: one item a request, found by user, day, image and tag.

An index holds an item under one key only. When a request touched several images or tags, each further id gets a part:
a copy of the item that only that id finds, so that a user's or a day's requests stay one item each.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from chalicelib.aws import access_log_days, dynamodb
from chalicelib.aws.access_log_days import KeyPage
from chalicelib.config import settings
from chalicelib.errors import Unavailable

Index = Literal["by_user", "by_day", "by_image", "by_tag"]

QUERY_SECONDS = 4
"""Of each try. A day needs up to three rounds of calls, which must fit into the gateway's 29 seconds."""

MAX_ITEMS = 25
"""In one TransactWriteItems. DynamoDB accepts 100, but has only `RECORD_SECONDS` to answer."""


class UndeliveredError(Exception):
    """DynamoDB did not accept the entry, or not all of its parts."""


@dataclass(frozen=True)
class Entry:
    request_id: str
    timestamp: float
    user_id: str
    client_id: str
    source_ip: str | None
    user_agent: str | None
    method: str
    route: str
    path: str
    status: int
    duration_ms: int
    image_ids: list[int] = field(default_factory=list)
    tag_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Period:
    """Seconds since the Unix epoch, both inclusive."""

    start: int
    end: int


class Position(NamedTuple):
    """Of an entry within an index, to go on behind it."""

    moment: str
    request_id: str
    part: int

    @property
    def timestamp(self) -> float:
        return int(self.moment.split("#")[0]) / 1000


def write(entry: Entry) -> None:
    """Add the entry. Raise UndeliveredError, also when no credentials can be had.

    Only with Put: in a BatchWriteItem the permission to write is the permission to delete, in a transaction each is one
    of its own, and the role of the API has the first only. A single item needs no transaction, which costs twice."""
    puts = [{"TableName": settings().access_log_table, "Item": _serialized(item)} for item in _items(entry)]
    try:
        if len(puts) == 1:
            dynamodb.call("PutItem", puts[0])
            return
        for start in range(0, len(puts), MAX_ITEMS):
            items = [{"Put": put} for put in puts[start : start + MAX_ITEMS]]
            dynamodb.call("TransactWriteItems", {"TransactItems": items})
    except (dynamodb.DynamoDbError, Unavailable) as error:
        raise UndeliveredError(f"{error} ({error.__cause__!r})") from error


def find(
    index: Index, key: str | int, period: Period, limit: int, after: Position | None
) -> list[tuple[Entry, Position]]:
    """Return entries newest first. Raise Unavailable when DynamoDB does not answer."""
    if index == "by_day":
        items = access_log_days.newest(
            str(key),
            limit,
            lambda wanted: dynamodb.at_once(lambda each: _found(index, *each, period, after), wanted.items()),
        )
    else:
        items = _found(index, key, limit, period, after).items
    return [(_entry(item), _position(item)) for item in items]


def _found(index: Index, key: str | int, limit: int, period: Period, after: Position | None) -> KeyPage:
    """Look under one key. It has only one item of each moment, since a moment ends with the id of the request."""
    end = min(_moment(period.end + 1), after.moment) if after else _moment(period.end + 1)
    query = {
        "TableName": settings().access_log_table,
        "IndexName": index,
        "KeyConditionExpression": "#key = :key AND moment BETWEEN :start AND :end",
        "ExpressionAttributeNames": {"#key": _key_attribute(index)},
        "ExpressionAttributeValues": _serialized({":key": key, ":start": _moment(period.start), ":end": end}),
        "ScanIndexForward": False,
    }
    items: list[dict[str, Any]] = []
    more = True
    while more and len(items) < limit:
        answer = _answer({**query, "Limit": limit - len(items) + (after is not None)})
        found = map(_deserialized, answer["Items"])
        items += [item for item in found if after is None or item["moment"] < after.moment]
        if more := "LastEvaluatedKey" in answer:  # it may have stopped at 1 MB
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return KeyPage(items[:limit], more or len(items) > limit)


def _answer(query: dict[str, Any]) -> dict[str, Any]:
    try:
        return dynamodb.call("Query", query, QUERY_SECONDS)
    except dynamodb.PassingError as error:
        raise Unavailable("The access log cannot be read just now; try again.") from error


def _items(entry: Entry) -> list[dict[str, Any]]:
    moment = datetime.fromtimestamp(entry.timestamp, UTC)
    common = {
        **asdict(entry),
        "timestamp": int(entry.timestamp),
        "moment": f"{_moment(entry.timestamp)}#{entry.request_id}",
        "expires": int((moment + timedelta(days=settings().access_log_days)).timestamp()),
    }
    items: list[dict[str, Any]] = []
    for part, (image_id, tag_id) in enumerate(zip_longest(entry.image_ids, entry.tag_ids or (None,))):
        keys = {"image_key": image_id, "tag_key": tag_id}
        if part == 0:
            day = access_log_days.key(moment.date().isoformat(), entry.request_id)
            keys |= {"user_key": entry.user_id, "day_key": day}
        items.append({**common, "part": part, **{name: key for name, key in keys.items() if key is not None}})
    return items


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(**{column.name: item[column.name] for column in fields(Entry)})


def _position(item: Mapping[str, Any]) -> Position:
    return Position(item["moment"], item["request_id"], item["part"])


def _key_attribute(index: Index) -> str:
    return index.removeprefix("by_") + "_key"


def _moment(timestamp: float) -> str:
    """Milliseconds in 14 digits, so that text sorts as time does."""
    return f"{int(timestamp * 1000):014d}"


def _serialized(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _typed(value) for name, value in values.items()}


def _typed(value: Any) -> dict[str, Any]:
    """In DynamoDB's notation, as far as our values go: {"N": "7"}."""
    match value:
        case None:
            return {"NULL": True}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case _:
            return {"L": [_typed(each) for each in value]}


def _deserialized(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(value)
        case "L":
            return [_plain(each) for each in value]
        case _:
            return value
