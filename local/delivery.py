"""Brings messages from a queue to the function that takes them, as Lambda would: S3's events, and files to inspect.

A process for each queue, one invocation at a time. What fails comes again after a moment, and in the end the queue
keeps it among the dead letters. Inspections are delivered in turns, one of each caller, as SQS would not let the many
files of one caller hold up the one of another (fair queues).
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.invocation import Ending, Handler, invoke, keep_lines_whole, log
from local.turns import Message, Turns

MOST_AT_ONCE = 10
"""Messages in one call, at most."""
LONGEST_POLL_SECONDS = 1
"""The emulator, asked to end, first waits for every poll to end."""
BACKOFF_SECONDS = (1, 5)
"""After the first and the second failure; after the last, the queue puts the message among the dead letters."""

MOST_HELD = 10_000
"""Messages that wait in this process for their turn."""
HELD_SECONDS = 12 * 60 * 60
"""The longest that SQS keeps a message from other receivers. After a crash nothing waits for the end of it: the
reconciliation requests the inspections again."""


class Delivery:
    def __init__(self, sqs: Any, queue: str, kind: "Kind", handler: Handler, ending: Ending) -> None:
        self._sqs = sqs
        self._queue = queue
        self._kind = kind
        self._handler = handler
        self._ending = ending
        self._turns = Turns()

    def step(self) -> None:
        """Delivers the messages that are there, or come within a moment; of a queue with turns the next one."""
        for message in self._in_turn() if self._kind.has_turns else self._receive():
            with self._ending.put_off():
                self._deliver(message)

    def let_go(self) -> None:
        """Sends the messages that wait for their turn again, for the next process. A message that was only given back
        would be among the dead letters after some restarts, because the queue counts how often it was received."""
        held = list(self._turns.take_all())
        for start in range(0, len(held), MOST_AT_ONCE):
            self._send_anew({str(n): message for n, message in enumerate(held[start : start + MOST_AT_ONCE])})

    def _send_anew(self, messages: dict[str, Message]) -> None:
        entries = [{"Id": name, "MessageBody": each["Body"], **_group(each)} for name, each in messages.items()]
        sent = self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries).get("Successful", [])
        held = [{"Id": each["Id"], "ReceiptHandle": messages[each["Id"]]["ReceiptHandle"]} for each in sent]
        if held:
            self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=held)

    def _in_turn(self) -> list[Message]:
        """One message, after all that the queue has were received: who is next can only be told among all."""
        more = True
        while more and len(self._turns) < MOST_HELD:
            received = self._receive(0 if len(self._turns) else LONGEST_POLL_SECONDS, VisibilityTimeout=HELD_SECONDS)
            for message in received:
                self._turns.add(message)
            more = len(received) == MOST_AT_ONCE
        upcoming = self._turns.next()
        return [upcoming] if upcoming else []

    def _receive(self, wait_seconds: int | None = None, **options: Any) -> list[Message]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=MOST_AT_ONCE,
            WaitTimeSeconds=LONGEST_POLL_SECONDS if wait_seconds is None else wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            **options,
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _deliver(self, message: Message) -> None:
        event = self._kind.event(message)
        done = event is None or invoke(self._handler, event, self._kind.what)
        if done:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        else:
            tries = int(message["Attributes"]["ApproximateReceiveCount"])
            self._hide(message, dict(enumerate(BACKOFF_SECONDS, start=1)).get(tries, 0))

    def _hide(self, message: Message, seconds: int) -> None:
        handle = message["ReceiptHandle"]
        self._sqs.change_message_visibility(QueueUrl=self._queue, ReceiptHandle=handle, VisibilityTimeout=seconds)


def _group(message: Message) -> dict[str, str]:
    """Returns its MessageGroupId as a parameter, if it has one."""
    return {name: value for name, value in message["Attributes"].items() if name == "MessageGroupId"}


@dataclass(frozen=True)
class Kind:
    """Of what a queue carries."""

    what: str
    function: str
    has_turns: bool
    """Whether the messages are of callers, who take turns."""
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
    "storage": Kind("An S3 event", "record_storage_event", False, storage_event),
    "inspection": Kind("An inspection", "inspect", True, queue_event),
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
    delivery = Delivery(boto3.client("sqs", config=config), queue, kind, handler, ending)
    try:
        _keep_going(delivery)
    finally:
        with suppress(BotoCoreError, ClientError):  # the emulator may have ended before
            delivery.let_go()


if __name__ == "__main__":
    main(KINDS[sys.argv[1]], sys.argv[2])
