"""Compares every answer with the access log: the table, and where that cannot have it, the service's own log."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.conftest import aws_client
from tests.faults.caller import Access
from tests.faults.stack import Site
from tests.faults.timeline import Timeline

Record = Mapping[str, Any]

FIELDS = (
    *("user_id", "client_id", "source_ip", "user_agent", "method", "route", "path", "status", "duration_ms"),
    *("image_ids", "tag_ids"),
)
"""What the table and the log have alike."""


def compare(site: Site, timeline: Timeline, accesses: Iterable[Access]) -> None:
    table, log = _records(site), _in_the_log(site)
    for access in accesses:
        line, items = log.get(access.request_id), table.get(access.request_id, [])
        if items:
            _note_differences(timeline, access, items, line)
        elif line is not None and line.get("access_record") == "undelivered":
            _note_undelivered(timeline, access, line)
        elif access.request_id in timeline.recorded:
            continue
        elif line is not None and _forgotten(access, timeline):
            timeline.note("log only", access.sent)
        else:
            timeline.note("unrecorded", access.sent, f"{access.what} ({access.request_id})")


def _note_differences(timeline: Timeline, access: Access, items: list[Record], line: Record | None) -> None:
    record = items[0]
    logged = [(name, line[name]) for name in FIELDS] if line else []
    differing = [(name, value) for name, value in (*access.expected.items(), *logged) if record[name] != value]
    parts = max(1, len(record["image_ids"]), len(record["tag_ids"]))
    if differing or [item["part"] for item in items] != list(range(parts)):
        said = f"{access.what} ({access.request_id}): not {differing} but {items}"
        timeline.note("misrecorded", access.sent, said)


def _note_undelivered(timeline: Timeline, access: Access, line: Record) -> None:
    """Only while the table does not take records; and then the line is the record."""
    differing = {name: (line.get(name), value) for name, value in access.expected.items() if line.get(name) != value}
    if differing or not line.keys() >= {*FIELDS, "started"}:
        timeline.note("misrecorded", access.sent, f"{access.what} ({access.request_id}), in the log: {differing}")
    elif timeline.keeps_records_out(access.sent, access.answered):
        timeline.note("undelivered", access.sent)
    else:
        said = f"{access.what} ({access.request_id}): undelivered although nothing was wrong: {line.get('reason')}"
        timeline.note("unrecorded", access.sent, said)


def _forgotten(access: Access, timeline: Timeline) -> bool:
    """The service records before it answers: what was answered when the table was read had to be in it."""
    return any(access.sent <= dead and access.answered >= read for read, dead in timeline.forgotten)


def in_the_table(site: Site) -> set[str]:
    """Request ids."""
    return {item["request_id"]["S"] for item in _scanned(site, ProjectionExpression="request_id")}


def _records(site: Site) -> dict[str, list[Record]]:
    """By request id, in the order of their parts."""
    plain, records = TypeDeserializer(), defaultdict(list)
    for item in _scanned(site):
        record = {name: plain.deserialize(value) for name, value in item.items()}
        records[record["request_id"]].append(record)
    return {request_id: sorted(parts, key=lambda each: each["part"]) for request_id, parts in records.items()}


def _scanned(site: Site, **wanted: str) -> Iterable[dict[str, Any]]:
    stack = site.description
    client = aws_client(stack, "dynamodb")
    for page in client.get_paginator("scan").paginate(TableName=stack["access_log_table"], **wanted):
        yield from page["Items"]


def _in_the_log(site: Site) -> dict[str, Record]:
    """The lines of requests, by their ids."""
    lines = Path(site.description["log"]).read_text(errors="replace").splitlines()
    return {line["request_id"]: line for line in map(_parsed, lines) if line.get("message") == "request"}


def _parsed(line: str) -> dict[str, Any]:
    """{} for one that was torn when its process was killed, or that is not the service's."""
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
