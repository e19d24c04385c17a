"""What the access-log table is sent, on moto, which stops at a megabyte as DynamoDB does; and going on without it."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from chalicelib.aws import access_log, dynamodb
from chalicelib.aws.access_log import Entry, Period, UndeliveredError
from chalicelib.config import settings
from chalicelib.services import access_log as service
from infrastructure import resources

NOON = 1_795_435_200
DAY = 24 * 3600
ALWAYS = Period(0, NOON + 10 * DAY)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def table(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As the deployment declares it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    dynamodb.forget()
    name = settings().access_log_table
    sdk = boto3.client("dynamodb")
    sdk.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind} for key, kind in resources.ACCESS_LOG_KEYS.items()
        ],
        KeySchema=_schema(*resources.ACCESS_LOG_PRIMARY_KEY),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _schema(*keys), "Projection": {"ProjectionType": "ALL"}}
            for index, keys in resources.ACCESS_LOG_INDEXES.items()
        ],
    )
    yield sdk
    if name in sdk.list_tables()["TableNames"]:
        sdk.delete_table(TableName=name)
    dynamodb.forget()


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def an_entry(number: int = 0, **fields: Any) -> Entry:
    defaults: dict[str, Any] = {
        "request_id": f"request-{number:03}",
        "timestamp": NOON + number,
        "user_id": "ann",
        "client_id": "app",
        "source_ip": "127.0.0.1",
        "user_agent": None,
        "method": "GET",
        "route": "/images/{image_id}",
        "path": "/v1/images/7",
        "status": 200,
        "duration_ms": 3,
    }
    return Entry(**defaults | fields)


def ids(rows: service.Rows) -> list[str]:
    return [entry.request_id for entry, _ in rows]


def test_an_entry_comes_back_as_it_was_written(table: Any) -> None:
    entry = an_entry(image_ids=[7], tag_ids=[1, 2])

    access_log.write(entry)

    ((found, _),) = access_log.find("by_user", "ann", ALWAYS, 10, None)
    assert found == entry


def test_each_id_that_a_request_touched_finds_it_and_its_user_and_day_hold_it_once(table: Any) -> None:
    access_log.write(an_entry(image_ids=[7, 8], tag_ids=list(range(1, 61))))

    assert ids(access_log.find("by_user", "ann", ALWAYS, 100, None)) == ["request-000"]
    assert ids(access_log.find("by_day", "2026-11-23", ALWAYS, 100, None)) == ["request-000"]
    assert all(ids(access_log.find("by_image", image, ALWAYS, 10, None)) == ["request-000"] for image in (7, 8))
    assert all(ids(access_log.find("by_tag", tag, ALWAYS, 10, None)) == ["request-000"] for tag in (1, 30, 60))


def test_a_request_that_touched_one_image_and_one_tag_is_one_item(table: Any) -> None:
    access_log.write(an_entry(image_ids=[7], tag_ids=[1]))

    assert table.scan(TableName=settings().access_log_table)["Count"] == 1


def test_entries_come_newest_first_within_their_period_and_page_by_page(table: Any) -> None:
    for number in range(7):
        access_log.write(an_entry(number))

    rows, after = [], None
    while page := access_log.find("by_user", "ann", Period(NOON + 1, NOON + 5), 2, after):
        rows += page
        after = page[-1][1]

    assert ids(rows) == [f"request-00{number}" for number in (5, 4, 3, 2, 1)]


def test_without_a_key_the_days_are_walked_backwards(table: Any) -> None:
    for number, days in enumerate([0, 1, 1, 4, 9]):
        access_log.write(an_entry(number, timestamp=NOON + number - days * DAY))
    period = Period(NOON - 5 * DAY, NOON + DAY)

    first = service.find(None, period, 2, None)
    rest = service.find(None, period, 10, first[-1][1])

    assert ids(first) == ["request-000", "request-002"]
    assert ids(rest) == ["request-001", "request-003"]


def pages(index: access_log.Index, key: str | int, limit: int) -> list[str]:
    """The ids of all entries, page by page."""
    rows: service.Rows = []
    while page := access_log.find(index, key, ALWAYS, limit, rows[-1][1] if rows else None):
        rows += page
    return ids(rows)


def under_the_day_itself(table: Any, entry: Entry) -> None:
    """As it was written before days were spread over several keys."""
    access_log.write(entry)
    (item,) = [each for each in items(table) if each["request_id"]["S"] == entry.request_id]
    day, _, _ = item["day_key"]["S"].partition("#")
    table.put_item(TableName=settings().access_log_table, Item=item | {"day_key": {"S": day}})


def items(table: Any) -> list[dict[str, Any]]:
    return list(table.scan(TableName=settings().access_log_table)["Items"])


def test_the_requests_of_a_day_are_spread_over_sixteen_keys(table: Any) -> None:
    for number in range(320):
        access_log.write(an_entry(number, timestamp=NOON + number / 100))

    requests = Counter(item["day_key"]["S"] for item in items(table))

    assert set(requests) == {f"2026-11-23#{shard:02d}" for shard in range(16)}
    assert max(requests.values()) < 320 / 16 * 2.5


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_a_day_is_read_newest_first_whatever_keys_its_requests_have(table: Any, limit: int) -> None:
    for number in range(40):
        write = access_log.write if number % 3 else partial(under_the_day_itself, table)
        write(an_entry(number, timestamp=NOON + number // 2))  # two in each second

    newest = [entry.request_id for entry in sorted(map(an_entry, range(40)), key=_by_moment, reverse=True)]

    assert pages("by_day", "2026-11-23", limit) == newest


def _by_moment(entry: Entry) -> tuple[int, str]:
    return (int(entry.timestamp) - NOON) // 2, entry.request_id


def test_a_cursor_issued_before_days_were_sharded_is_still_valid(table: Any) -> None:
    for number in range(6):
        under_the_day_itself(table, an_entry(number))
    cursor = access_log.Position(f"{(NOON + 3) * 1000:014d}#request-003", "request-003", 0)

    assert ids(service.find(None, Period(NOON - DAY, NOON + DAY), 10, cursor)) == [f"request-00{n}" for n in (2, 1, 0)]


def test_a_page_is_full_even_where_dynamodb_stops_at_a_megabyte(table: Any) -> None:
    for number in range(60):
        access_log.write(an_entry(number, path="x" * 30_000))

    assert len(access_log.find("by_user", "ann", ALWAYS, 60, None)) == 60
    assert len(access_log.find("by_day", "2026-11-23", ALWAYS, 60, None)) == 60


def test_entries_expire_when_the_setting_says(table: Any) -> None:
    access_log.write(an_entry())

    (item,) = table.scan(TableName=settings().access_log_table)["Items"]
    assert int(item[resources.ACCESS_LOG_TTL]["N"]) == NOON + settings().access_log_days * DAY


def test_a_table_that_cannot_be_written_is_said_to_be(table: Any) -> None:
    table.delete_table(TableName=settings().access_log_table)

    with pytest.raises(UndeliveredError, match="ResourceNotFound"):
        access_log.write(an_entry())


def test_what_is_older_than_the_log_keeps_is_not_shown_even_before_dynamodb_deletes_it(table: Any) -> None:
    """It does so within some days. Nor is the future asked for."""
    now = int(time.time())
    forgotten = now - settings().access_log_days * DAY - 60
    for number, moment in enumerate((forgotten, forgotten + 120)):
        access_log.write(an_entry(number, timestamp=moment))

    period = service.kept(None, now + DAY)

    assert ids(service.find(("by_user", "ann"), period, 10, None)) == ["request-001"]
    assert period.end <= time.time()
    assert service.kept(forgotten, None).start == period.start
    assert service.kept(now - DAY, now - 60) == Period(now - DAY, now - 60)
