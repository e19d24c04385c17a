"""Invoking a function of the service that no request waits for, as Lambda would."""

import json
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from types import FrameType
from typing import Any

from local.emulator import ACCOUNT, REGION
from local.environment import FUNCTION_NAME, MEMORY_MEGABYTES

INVOCATION_SECONDS = 60

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class LambdaContext:
    """What the runtime gives a function beside the event."""

    deadline: float
    """On the clock of time.monotonic()."""
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_name: str = FUNCTION_NAME
    function_version: str = "$LATEST"
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION_NAME}"
    memory_limit_in_mb: int = MEMORY_MEGABYTES
    log_group_name: str = f"/aws/lambda/{FUNCTION_NAME}"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def context(seconds: float) -> LambdaContext:
    return LambdaContext(time.monotonic() + seconds)


def invoke(handler: Handler, event: Any, what: str) -> bool:
    """Whether it succeeded."""
    try:
        handler(event, context(INVOCATION_SECONDS))
    except Exception as error:  # noqa: BLE001  Lambda, too, takes any failure for a try that failed
        log(f"{what} failed: {type(error).__name__}: {error}", traceback.format_exc())
        return False
    return True


def log(message: str, details: str = "") -> None:
    line = {"level": "ERROR", "message": message, "exception": details}
    print(json.dumps(line), file=sys.stderr, flush=True)


def keep_lines_whole() -> None:
    """Unbuffered, as PYTHONUNBUFFERED has it, Python writes a line and its end one after the other; buffered, it cuts
    anywhere. Either way the common log may get another process's line in between."""
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)  # noqa: S101
        stream.reconfigure(line_buffering=True, write_through=False)


class Ending:
    """Of a process that is asked to end by a signal: at once when idle, else after what it is at."""

    def __init__(self) -> None:
        self._busy = False
        self._asked = False

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._busy:
            sys.exit(0)
        self._asked = True

    @contextmanager
    def put_off(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._asked:
            sys.exit(0)
