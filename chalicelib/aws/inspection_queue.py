"""The queue of files that wait to be inspected."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.clients import sqs
from chalicelib.config import settings
from chalicelib.errors import Unavailable

_A_BATCH = 10
"""SQS takes no more at once."""


def send(object_key: str, after_seconds: int = 0) -> None:
    """Raises Unavailable. One that is sent twice does no harm. Without a queue nothing is inspected."""
    if queue := settings().inspection_queue:
        with _answering():
            sqs().send_message(QueueUrl=queue, MessageBody=_message(object_key), DelaySeconds=after_seconds)


def send_all(object_keys: Sequence[str]) -> None:
    """Raises Unavailable; some may then be sent."""
    queue = settings().inspection_queue
    for start in range(0, len(object_keys) if queue else 0, _A_BATCH):
        batch = enumerate(object_keys[start : start + _A_BATCH])
        entries = [{"Id": str(number), "MessageBody": _message(key)} for number, key in batch]
        with _answering():
            failed = sqs().send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")
        if failed:
            raise Unavailable(f"The queue of inspections did not take {len(failed)} of {len(entries)} messages.")


def _message(object_key: str) -> str:
    return json.dumps({"object_key": object_key})


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("The queue of inspections does not answer just now.") from error
