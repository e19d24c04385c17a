"""The queue of files that wait to be inspected."""

import json
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.clients import sqs
from chalicelib.config import settings
from chalicelib.errors import Unavailable

_A_BATCH = 10
"""SQS takes no more at once."""


def send(object_keys: Sequence[str], after_seconds: int = 0) -> None:
    """Raises Unavailable; some may then be sent, and one sent twice does no harm. Without a queue nothing is
    inspected."""
    queue = settings().inspection_queue
    if not queue:
        return
    for start in range(0, len(object_keys), _A_BATCH):
        _send(queue, object_keys[start : start + _A_BATCH], after_seconds)


def _send(queue: str, object_keys: Sequence[str], after_seconds: int) -> None:
    entries = [
        {"Id": str(number), "MessageBody": json.dumps({"object_key": key}), "DelaySeconds": after_seconds}
        for number, key in enumerate(object_keys)
    ]
    try:
        failed = sqs().send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("The queue of inspections does not answer just now.") from error
    if failed:
        raise Unavailable(f"The queue of inspections did not take {len(failed)} of {len(entries)} messages.")
