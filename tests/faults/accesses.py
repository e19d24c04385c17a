"""Compares every answer with the access log: the table, and where that cannot have it, the service's own log."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conftest import aws_client
from tests.faults.caller import Access
from tests.faults.stack import Site
from tests.faults.timeline import Timeline


def compare(site: Site, timeline: Timeline, accesses: Iterable[Access]) -> None:
    table, log = timeline.recorded | in_the_table(site), _in_the_log(site)
    for access in accesses:
        if access.request_id in table:
            continue
        if log.get(access.request_id) == "undelivered":
            timeline.note("undelivered", access.sent)
        elif access.request_id in log and _forgotten(access, timeline):
            timeline.note("log only", access.sent)
        else:
            timeline.note("unrecorded", access.sent, f"{access.what} ({access.request_id})")


def _forgotten(access: Access, timeline: Timeline) -> bool:
    """The service records before it answers: what was answered when the table was read had to be in it."""
    return any(access.sent <= dead and access.answered >= read for read, dead in timeline.forgotten)


def in_the_table(site: Site) -> set[str]:
    """Request ids."""
    stack = site.description
    client = aws_client(stack, "dynamodb")
    pages = client.get_paginator("scan").paginate(
        TableName=stack["access_log_table"], ProjectionExpression="request_id"
    )
    return {item["request_id"]["S"] for page in pages for item in page["Items"]}


def _in_the_log(site: Site) -> dict[str, str]:
    """By request id, what the line says of the record in the table."""
    lines = Path(site.description["log"]).read_text(errors="replace").splitlines()
    requests = [line for line in map(_parsed, lines) if line.get("message") == "request"]
    return {line["request_id"]: line.get("access_record", "delivered") for line in requests}


def _parsed(line: str) -> dict[str, Any]:
    """{} for one that was torn when its process was killed, or that is not the service's."""
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
