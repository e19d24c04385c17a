"""ETag and If-Match: which version of a record a change is meant for."""

import hashlib
import json
import re
from typing import Any

from chalicelib.errors import PreconditionFailed

_FORM = re.compile('"([0-9a-f]{32})-[0-9a-f]{16}"')


def etag(guarded: Any, learnt: Any = None) -> str:
    """Return an ETag of what a record shows, as JSON has it. `guarded` is what `check` compares; `learnt` is what only
    the service changes, by looking into the file: it moves the ETag, but is no reason to refuse a change."""
    return f'"{_digest(guarded)[:32]}-{_digest(learnt)[:16]}"'


def check(if_match: str | None, current: str) -> None:
    """Raise PreconditionFailed unless one of the given ETags is the current one, but for what the service has learnt
    since. The record has to be locked."""
    if if_match is None or if_match.strip() == "*":
        return
    if _guarded(current) not in (_guarded(given.strip()) for given in if_match.split(",")):
        raise PreconditionFailed


def _guarded(etag: str) -> str | None:
    found = _FORM.fullmatch(etag)
    return found and found[1]


def _digest(state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
