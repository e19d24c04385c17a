"""Brings S3 events from the queue to the service's handler, and its schedule's ticks, as Lambda would.

Its own process, one invocation at a time. What fails comes again after a moment, and in the end the queue keeps it
among the dead letters.
"""

import json
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import invocation
from local.emulator import ACCOUNT

RECONCILE_SECONDS = 60
INVOCATION_SECONDS = 60
LONGEST_POLL_SECONDS = 1
"""The emulator, asked to end, first waits for every poll to end."""
BACKOFF_SECONDS = (1, 5)
"""After the first and the second failure; after the last, the queue puts the message among the dead letters."""

Handler = Callable[[Any, Any], Any]


class Delivery:
    def __init__(self, sqs: Any, queue: str, on_storage_event: Handler, on_schedule: Handler) -> None:
        self._sqs = sqs
        self._queue = queue
        self._on_storage_event = on_storage_event
        self._on_schedule = on_schedule
        self._next_tick = time.monotonic()
        self._busy = False
        self._ending = False

    def step(self) -> None:
        """One tick if it is due, and the messages that arrive before the next."""
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + RECONCILE_SECONDS
            with self._undisturbed():
                _invoke(self._on_schedule, scheduled_event(), "The schedule")
        for message in self._receive():
            with self._undisturbed():
                self._deliver(message)

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """At once when idle, else after the invocation that is running."""
        if not self._busy:
            sys.exit(0)
        self._ending = True

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._ending:
            sys.exit(0)

    def _receive(self) -> list[dict[str, Any]]:
        left = int(self._next_tick - time.monotonic())
        answer = self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=min(max(left, 0), LONGEST_POLL_SECONDS),
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _deliver(self, message: dict[str, Any]) -> None:
        event = _event(message["Body"])
        done = event is None or _invoke(self._on_storage_event, event, "An S3 event")
        named = {"QueueUrl": self._queue, "ReceiptHandle": message["ReceiptHandle"]}
        if done:
            self._sqs.delete_message(**named)
        else:
            tries = int(message["Attributes"]["ApproximateReceiveCount"])
            seconds = dict(enumerate(BACKOFF_SECONDS, start=1)).get(tries, 0)
            self._sqs.change_message_visibility(**named, VisibilityTimeout=seconds)


def _event(body: str) -> Any:
    """None for what S3 sends to try the connection. What is no JSON goes to the handler, to fail there."""
    try:
        event = json.loads(body)
    except json.JSONDecodeError:
        return body
    return None if isinstance(event, dict) and event.get("Event") == "s3:TestEvent" else event


def _invoke(handler: Handler, event: Any, what: str) -> bool:
    """Whether it succeeded."""
    try:
        handler(event, invocation.context(INVOCATION_SECONDS))
    except Exception as error:  # noqa: BLE001  Lambda, too, takes any failure for a try that failed
        _say(f"{what} failed: {type(error).__name__}: {error}", traceback.format_exc())
        return False
    return True


def scheduled_event() -> dict[str, Any]:
    region = os.environ["AWS_REGION"]
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT}:rule/reconcile"],
        "detail": {},
    }


def _say(what: str, details: str = "") -> None:
    line = {"level": "ERROR", "message": f"Delivery: {what}", "exception": details}
    print(json.dumps(line), file=sys.stderr, flush=True)


def _keep_going(delivery: Delivery) -> None:
    """Through restarts of what it talks to."""
    pause = 0.1
    while True:
        try:
            delivery.step()
            pause = 0.1
        except (BotoCoreError, ClientError) as error:
            if pause == 0.1:
                _say(f"the queue does not answer: {error}")
            time.sleep(pause)
            pause = min(pause * 2, 2)


def main(queue: str) -> None:
    import app  # noqa: PLC0415  it may fail, and then the supervisor should see it

    config = Config(retries={"total_max_attempts": 1}, read_timeout=LONGEST_POLL_SECONDS + 10)
    sqs = boto3.client("sqs", config=config)
    delivery = Delivery(sqs, queue, app.record_storage_event, app.reconcile)
    signal.signal(signal.SIGTERM, delivery.end)
    _keep_going(delivery)


if __name__ == "__main__":
    main(sys.argv[1])
