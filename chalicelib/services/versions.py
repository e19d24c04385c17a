"""ETag and If-Match: which version of a record a change is meant for."""

import hashlib
import json
from typing import Any

from chalicelib.errors import PreconditionFailed


def etag(state: Any) -> str:
    """Of what a record shows, as JSON has it."""
    return f'"{hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:32]}"'


def check(if_match: str | None, current: str) -> None:
    """The record has to be locked. Raises PreconditionFailed."""
    if if_match is None or if_match.strip() == "*":
        return
    if current not in (given.strip() for given in if_match.split(",")):
        raise PreconditionFailed
