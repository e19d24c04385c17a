"""What the gateway refuses by itself: why, and the line about it, as in API Gateway's access log."""

import json
import sys
from datetime import UTC, datetime

from infrastructure.resources import (
    ENCODED_IN_QUERIES,
    GATEWAY_HEAD_BYTES,
    GATEWAY_PAYLOAD_BYTES,
    GATEWAY_RESPONSES,
    LOCAL_GATEWAY_RESPONSES,
)
from local import own_hosts
from local.proxy_event import Request

MISDIRECTED = "MISDIRECTED_REQUEST"
"""Only this gateway refuses a request for another host: to a page whose name was made to lead here (DNS rebinding) the
browser would show the answers."""


class Refused(Exception):
    """The gateway answers itself, with MISDIRECTED or one of GATEWAY_RESPONSES, and so many seconds as Retry-After."""

    def __init__(self, kind: str, retry_after: int | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.retry_after = retry_after


def check_head(request: Request) -> None:
    """Raises Refused."""
    line = len(request.method) + len(request.raw_path) + len(request.query)
    if line + sum(len(name) + len(value) for name, value in request.headers) > GATEWAY_HEAD_BYTES:
        raise Refused("REQUEST_TOO_LARGE")
    if len(request.header("host")) != 1:
        raise Refused("DEFAULT_4XX")
    if request.header("host")[0].lower() not in own_hosts(request.port):
        raise Refused(MISDIRECTED)
    if not set(ENCODED_IN_QUERIES).isdisjoint(request.query):
        raise Refused("UNENCODED_QUERY")
    declared = "".join(request.header("content-length")[-1:])
    if declared.isdigit() and int(declared) > GATEWAY_PAYLOAD_BYTES:
        raise Refused("REQUEST_TOO_LARGE")


def _status(kind: str) -> int:
    return 421 if kind == MISDIRECTED else (GATEWAY_RESPONSES | LOCAL_GATEWAY_RESPONSES)[kind][0]


def tell(request: Request, refusal: Refused, route: str | None, user: str | None) -> None:
    """Neither the token nor the path, in which anything may stand."""
    line = {
        "level": "INFO",
        "message": "refused by the gateway",
        "timestamp": datetime.fromtimestamp(request.time, UTC).isoformat(timespec="milliseconds"),
        "request_id": request.id,
        "ip": request.client,
        "user": user,
        "method": request.method[:20],
        "route": route,
        "status": _status(refusal.kind),
        "error_type": refusal.kind,
    }
    print(json.dumps(line), file=sys.stderr, flush=True)
