"""Who did what: the access log, read."""

import time
from datetime import UTC, date, datetime, timedelta

from chalicelib.aws import access_log as table
from chalicelib.aws.access_log import Entry, Index, Period, Position
from chalicelib.config import settings

Rows = list[tuple[Entry, Position]]


def kept(start: int | None, end: int | None) -> Period:
    """The part of a period that the log still keeps."""
    now = int(time.time())
    oldest = now - settings().access_log_days * 24 * 3600
    return Period(max(start or 0, oldest), min(now if end is None else end, now))


def find(by: tuple[Index, str | int] | None, period: Period, limit: int, after: Position | None) -> Rows:
    """Newest first: what one key holds, or, without a key, whatever happened."""
    if period.start > period.end or (after and after.timestamp < period.start):
        return []
    if by is None:
        return _day_by_day(period, limit, after)
    return table.find(*by, period, limit, after)


def _day_by_day(period: Period, limit: int, after: Position | None) -> Rows:
    rows: Rows = []
    day = _day(after.timestamp if after else period.end)
    while len(rows) < limit and day >= _day(period.start):
        rows += table.find("by_day", day.isoformat(), period, limit - len(rows), after)
        day, after = day - timedelta(days=1), None
    return rows


def _day(timestamp: float) -> date:
    return datetime.fromtimestamp(timestamp, UTC).date()
