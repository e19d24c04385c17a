"""What happens around every request: its id, its log line, its access record, and problems for errors."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

from chalice.app import Request, Response

from chalicelib import errors
from chalicelib.aws import access_log
from chalicelib.aws.access_log import Entry, UndeliveredError
from chalicelib.routes.request import base_path, caller, path_ids
from chalicelib.routes.route import CORS
from chalicelib.telemetry import Touched, begin, count, logger

MAX_USER_AGENT = 512

GetResponse = Callable[[Request], Response]


def observe(request: Request, get_response: GetResponse) -> Response:
    """The outermost: nothing that reaches the service goes unrecorded."""
    started, touched = time.time(), begin()
    request_id = request.context["requestId"]
    logger.append_keys(request_id=request_id, function_request_id=cast("Any", request.lambda_context).aws_request_id)
    response = get_response(request)
    response.headers |= {"X-Request-Id": request_id, "Cache-Control": "no-store"}
    _record(_entry(request, response.status_code, touched, started))
    return response


def answer_problems(request: Request, get_response: GetResponse) -> Response:
    """Failures, expected or not, as problem+json."""
    try:
        response = get_response(request)
        failure = errors.failure_of(response)
    except errors.Failure as expected:
        failure = expected
    if failure is None:
        return response
    problem = errors.problem(failure, request.context["requestId"])
    problem.headers.update(CORS.get_access_control_headers())
    return problem


def _record(entry: Entry) -> None:
    """Write the request's one log line; it holds the whole access record, so that none is lost when DynamoDB is. What
    the request did is committed, so whatever goes wrong here must not change its answer."""
    try:
        access_log.write(entry)
    except Exception as reason:  # noqa: BLE001
        count("AccessRecordUndelivered")
        bug = None if isinstance(reason, UndeliveredError) else reason
        logger.error("request", access_record="undelivered", reason=str(reason), exc_info=bug, **_fields(entry))
    else:
        logger.info("request", **_fields(entry))


def _fields(entry: Entry) -> dict[str, Any]:
    """`timestamp` and `request_id` are the logger's own keys already."""
    fields = asdict(entry)
    fields["started"] = fields.pop("timestamp")
    del fields["request_id"]
    return fields


def _entry(request: Request, status: int, touched: Touched, started: float) -> Entry:
    who, identity = caller(request), request.context["identity"]
    return Entry(
        request_id=request.context["requestId"],
        timestamp=started,
        user_id=who.id,
        client_id=who.client_id,
        source_ip=identity.get("sourceIp"),
        user_agent=(identity.get("userAgent") or "")[:MAX_USER_AGENT],
        method=request.method,
        route=request.context["resourcePath"],
        path=_path(request),
        status=status,
        duration_ms=round((time.time() - started) * 1000),
        image_ids=list(touched.image_ids),
        tag_ids=list(touched.tag_ids),
    )


def _path(request: Request) -> str:
    """Return the path with its ids; of any other value only its name: whatever a caller writes there, the name of a
    tag above all, may be a patient's."""
    shown: str = request.context["resourcePath"]
    for name, value in path_ids(request.uri_params or {}).items():
        shown = shown.replace(f"{{{name}}}", value)
    return base_path(request) + shown
