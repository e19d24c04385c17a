"""A request that comes again with its Idempotency-Key gets its first answer again.

The answer is kept in the transaction that does the work: whatever breaks off, both are there or neither is.
"""

import hashlib
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from chalice.app import Request, Response

from chalicelib.database import first_answers
from chalicelib.database.engine import enclosing
from chalicelib.errors import (
    PROBLEM_JSON,
    Failure,
    IdempotencyKeyReused,
    InvalidRequest,
    RequestInProgress,
    UploadIncomplete,
    problem,
)
from chalicelib.routes.payload import media_type
from chalicelib.routes.request import caller, parameters
from chalicelib.routes.shapes.text import IDEMPOTENCY_KEY_PATTERN
from chalicelib.telemetry import touch, touched

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from chalicelib.database.first_answers import Kept

HEADER = "Idempotency-Key"


def once(request: Request, work: Callable[[], Response]) -> Response:
    """Return what `work` answers, or, for a key that came before, what it answered then. `work` has to do all that it
    does in `transaction()`. A refusal is kept like any other answer, unless the same key may be sent again: after a
    failure of ours, to correct the request, or once the missing parts have come."""
    key = _key(request)
    if key is None:
        return work()
    with enclosing() as session:
        asked = _fingerprint(request)
        if first := _first(session, caller(request).id, key, asked):
            touch(images=first.image_ids, tags=first.tag_ids)
            return Response(_body(first, request), first.headers, first.status)
        response = _answer(request, work)
        answer = response.status_code, dict(response.headers), response.body
        kept = first_answers.Kept(asked, *answer, [*touched().image_ids], [*touched().tag_ids])
        first_answers.keep(session, caller(request).id, key, kept)
        return response


def _key(request: Request) -> str | None:
    key: str | None = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(IDEMPOTENCY_KEY_PATTERN, key):
        raise InvalidRequest.of(HEADER, "must be 1 to 255 printable ASCII characters")
    return key


def _first(session: "Session", caller_id: str, key: str, asked: bytes) -> "Kept | None":
    if not first_answers.claim(session, caller_id, key):
        raise RequestInProgress
    first = first_answers.find(session, caller_id, key)
    if first and first.request != asked:
        raise IdempotencyKeyReused
    return first


def _answer(request: Request, work: Callable[[], Response]) -> Response:
    try:
        return work()
    except Failure as failure:
        if failure.status >= 500 or failure.status == HTTPStatus.BAD_REQUEST or isinstance(failure, UploadIncomplete):
            raise
        return problem(failure, request.context["requestId"])


def _body(first: "Kept", request: Request) -> str:
    """Return the body of the first answer; a problem names the request that it answers, which is this one now."""
    if first.headers.get("Content-Type") != PROBLEM_JSON:
        return first.body
    return json.dumps(json.loads(first.body) | {"request_id": request.context["requestId"]}, ensure_ascii=False)


def _fingerprint(request: Request) -> bytes:
    conditions = [sorted(parameters(request).items()), media_type(request), request.headers.get("If-Match")]
    head = [request.method, request.context["path"], *conditions]
    return hashlib.sha256(json.dumps(head).encode() + b"\0" + cast("bytes", request.raw_body)).digest()
