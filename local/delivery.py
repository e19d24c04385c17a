"""Brings S3 events from the queue to the service's handler, as Lambda would.

Its own process, one invocation at a time. What fails comes again after a moment, and in the end the queue keeps it
among the dead letters.
"""

import json
import signal
import sys
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.invocation import Ending, Handler, invoke, log

LONGEST_POLL_SECONDS = 1
"""The emulator, asked to end, first waits for every poll to end."""
BACKOFF_SECONDS = (1, 5)
"""After the first and the second failure; after the last, the queue puts the message among the dead letters."""


class Delivery:
    def __init__(self, sqs: Any, queue: str, on_storage_event: Handler, ending: Ending) -> None:
        self._sqs = sqs
        self._queue = queue
        self._on_storage_event = on_storage_event
        self._ending = ending

    def step(self) -> None:
        """The messages that are there, or come within a moment."""
        for message in self._receive():
            with self._ending.put_off():
                self._deliver(message)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=LONGEST_POLL_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _deliver(self, message: dict[str, Any]) -> None:
        event = _event(message["Body"])
        done = event is None or invoke(self._on_storage_event, event, "An S3 event")
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


def _keep_going(delivery: Delivery) -> None:
    """Through restarts of what it talks to."""
    pause = 0.1
    while True:
        try:
            delivery.step()
            pause = 0.1
        except (BotoCoreError, ClientError) as error:
            if pause == 0.1:
                log(f"The queue of S3 events does not answer: {error}")
            time.sleep(pause)
            pause = min(pause * 2, 2)


def main(queue: str) -> None:
    import app  # noqa: PLC0415  it may fail, and then the supervisor should see it

    config = Config(retries={"total_max_attempts": 1}, read_timeout=LONGEST_POLL_SECONDS + 10)
    ending = Ending()
    signal.signal(signal.SIGTERM, ending.ask)
    _keep_going(Delivery(boto3.client("sqs", config=config), queue, app.record_storage_event, ending))


if __name__ == "__main__":
    main(sys.argv[1])
