"""The queue of files that wait to be inspected."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.clients import sqs
from chalicelib.config import settings
from chalicelib.errors import Unavailable

_A_BATCH = 10
"""SQS takes no more at once."""


@dataclass(frozen=True)
class Inspection:
    object_key: str
    created_by: str | None = None
    """The caller among whom turns are shared; None if unknown."""


def send(inspection: Inspection, after_seconds: int = 0) -> None:
    """Raises Unavailable. One that is sent twice does no harm. Without a queue nothing is inspected."""
    if queue := settings().inspection_queue:
        with _answering():
            sqs().send_message(QueueUrl=queue, DelaySeconds=after_seconds, **_message(inspection))


def send_all(inspections: Sequence[Inspection]) -> None:
    """Raises Unavailable; some may then be sent."""
    queue = settings().inspection_queue
    for start in range(0, len(inspections) if queue else 0, _A_BATCH):
        batch = enumerate(inspections[start : start + _A_BATCH])
        entries = [{"Id": str(number), **_message(each)} for number, each in batch]
        with _answering():
            failed = sqs().send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")
        if failed:
            raise Unavailable(f"The queue of inspections did not take {len(failed)} of {len(entries)} messages.")


def _message(inspection: Inspection) -> dict[str, Any]:
    """With the caller as its group: SQS then keeps one caller's many or slow files from delaying those of others
    (fair queues)."""
    message: dict[str, Any] = {"MessageBody": json.dumps({"object_key": inspection.object_key})}
    return message | ({"MessageGroupId": inspection.created_by} if inspection.created_by else {})


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("The queue of inspections does not answer just now.") from error
