"""Brings messages from a queue to the function that takes them, as Lambda would: S3's events, and files to inspect.

A process for each queue, one invocation at a time. What fails comes again after a moment, and in the end the queue
keeps it among the dead letters.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.invocation import Ending, Handler, invoke, keep_lines_whole, log

LONGEST_POLL_SECONDS = 1
"""The emulator, asked to end, first waits for every poll to end."""
BACKOFF_SECONDS = (1, 5)
"""After the first and the second failure; after the last, the queue puts the message among the dead letters."""


Message = dict[str, Any]


class Delivery:
    def __init__(self, sqs: Any, queue: str, kind: "Kind", handler: Handler, ending: Ending) -> None:
        self._sqs = sqs
        self._queue = queue
        self._kind = kind
        self._handler = handler
        self._ending = ending

    def step(self) -> None:
        """The messages that are there, or come within a moment."""
        for message in self._receive():
            with self._ending.put_off():
                self._deliver(message)

    def _receive(self) -> list[Message]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=self._kind.at_once,
            WaitTimeSeconds=LONGEST_POLL_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _deliver(self, message: Message) -> None:
        event = self._kind.event(message)
        done = event is None or invoke(self._handler, event, self._kind.what)
        named = {"QueueUrl": self._queue, "ReceiptHandle": message["ReceiptHandle"]}
        if done:
            self._sqs.delete_message(**named)
        else:
            tries = int(message["Attributes"]["ApproximateReceiveCount"])
            seconds = dict(enumerate(BACKOFF_SECONDS, start=1)).get(tries, 0)
            self._sqs.change_message_visibility(**named, VisibilityTimeout=seconds)


@dataclass(frozen=True)
class Kind:
    """Of what a queue carries."""

    what: str
    function: str
    at_once: int
    event: Callable[[Message], Any]
    """What the function is invoked with; None: nothing."""


def storage_event(message: Message) -> Any:
    """None for what S3 sends to try the connection. What is no JSON goes to the handler, to fail there."""
    try:
        event = json.loads(message["Body"])
    except json.JSONDecodeError:
        return message["Body"]
    return None if isinstance(event, dict) and event.get("Event") == "s3:TestEvent" else event


def queue_event(message: Message) -> Any:
    """As Lambda tells of one message of a queue."""
    record = {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    return {"Records": [{**record, "attributes": message["Attributes"], "eventSource": "aws:sqs"}]}


KINDS = {
    "storage": Kind("An S3 event", "record_storage_event", 10, storage_event),
    "inspection": Kind("An inspection", "inspect", 1, queue_event),
}


def _keep_going(delivery: Delivery) -> None:
    """Through restarts of what it talks to."""
    pause = 0.1
    while True:
        try:
            delivery.step()
            pause = 0.1
        except (BotoCoreError, ClientError) as error:
            if pause == 0.1:
                log(f"The queue does not answer: {error}")
            time.sleep(pause)
            pause = min(pause * 2, 2)


def main(kind: Kind, queue: str) -> None:
    keep_lines_whole()
    import app  # noqa: PLC0415  it may fail, and then the supervisor should see it

    config = Config(retries={"total_max_attempts": 1}, read_timeout=LONGEST_POLL_SECONDS + 10)
    ending = Ending()
    signal.signal(signal.SIGTERM, ending.ask)
    handler = getattr(app, kind.function)
    _keep_going(Delivery(boto3.client("sqs", config=config), queue, kind, handler, ending))


if __name__ == "__main__":
    main(KINDS[sys.argv[1]], sys.argv[2])
