"""What Schemathesis watches beside the answers: how many requests were sent, and that a refused one changed no row.
Loaded with the hooks; OF_STACK is the database of the stack that is asked, SENT the file for the number."""

import atexit
import os
from pathlib import Path
from typing import Any

import psycopg2
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.checks import CheckContext

from tests.contract.fingerprint import BY_CALLERS, Watch

_database = psycopg2.connect(os.environ["OF_STACK"])
_database.autocommit = True
_watch = Watch(_database, BY_CALLERS)
_seen = _watch.look()
_sent = 0
_changed: set[int] = set()
"""Refused requests that changed something, by the identity of their answers."""


@schemathesis.hook
def after_call(_: HookContext, __: Case[Any], response: Response) -> None:
    global _seen, _sent
    before, _seen, _sent = _seen, _watch.look(), _sent + 1
    if response.status_code >= 400 and before != _seen:
        _changed.add(id(response))


@schemathesis.check
def a_refused_request_changes_nothing(_: CheckContext, response: Response, __: Case[Any]) -> None:
    assert id(response) not in _changed, f"{response.status_code}, and yet the database is another"


@atexit.register
def _tell() -> None:
    Path(os.environ["SENT"]).write_text(str(_sent))
