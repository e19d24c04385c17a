"""What befalls DynamoDB's answers and S3's events."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.emulator import ACCOUNT, REGION
from tests.conftest import aws_client
from tests.faults import proxy
from tests.faults.caller import pause
from tests.faults.injury import Injury
from tests.faults.proxy import Mood
from tests.faults.stack import Site

SECONDS = 2
_INTERCEPTED = "intercepted-events"

Message = dict[str, Any]


def dynamodb_fails(injury: Injury) -> None:
    _in_mood(injury, proxy.failing)


def dynamodb_throttles(injury: Injury) -> None:
    _in_mood(injury, proxy.throttling)


def dynamodb_hangs(injury: Injury) -> None:
    _in_mood(injury, proxy.hanging)


def dynamodb_answers_late(injury: Injury) -> None:
    _in_mood(injury, proxy.dawdling)


def dynamodb_is_told_twice(injury: Injury) -> None:
    _in_mood(injury, proxy.doubling)


def dynamodb_writes_and_does_not_say_so(injury: Injury) -> None:
    _in_mood(injury, proxy.forgetting)


def dynamodb_reports_conflicts(injury: Injury) -> None:
    _in_mood(injury, proxy.conflicting)


def events_come_late(injury: Injury) -> None:
    with _intercepted(injury.site) as events:
        pause(SECONDS)
        events.send(events.take())


def events_come_twice(injury: Injury) -> None:
    with _intercepted(injury.site) as events:
        pause(SECONDS)
        taken = events.take()
        events.send(taken)
        events.send(taken)


def events_come_in_another_order(injury: Injury) -> None:
    with _intercepted(injury.site) as events:
        pause(SECONDS)
        events.send(random.sample(taken := events.take(), len(taken)))


def events_are_lost(injury: Injury) -> None:
    """Until the reconciliation finds what they would have told."""
    with _intercepted(injury.site) as events:
        pause(SECONDS)
        events.take()


def _in_mood(injury: Injury, mood: Mood) -> None:
    with injury.site.proxy.in_mood(mood):
        pause(SECONDS)


class Events:
    """The queue to which the bucket tells its events for a while, and the one where they are waited for."""

    def __init__(self, site: Site) -> None:
        self._sqs = aws_client(site.description, "sqs")
        self._s3 = aws_client(site.description, "s3")
        self._bucket = site.description["bucket"]
        self._waited_at = site.description["storage_event_queue"]
        self._told_to = self._sqs.create_queue(QueueName=_INTERCEPTED)["QueueUrl"]
        self._usual = self._notifications()
        self._sqs.set_queue_attributes(QueueUrl=self._told_to, Attributes={"Policy": _policy(self._bucket)})

    def intercept(self) -> None:
        (usual,) = self._usual
        self._notify([usual | {"QueueArn": _arn(_INTERCEPTED)}])

    def let_go(self) -> None:
        """What came since `take` passes on as it is."""
        self._notify(self._usual)
        self.send(self.take())
        self._sqs.delete_queue(QueueUrl=self._told_to)

    def take(self) -> list[str]:
        """What has come so far."""
        taken: list[str] = []
        while messages := self._sqs.receive_message(QueueUrl=self._told_to, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(message["Body"])
                self._sqs.delete_message(QueueUrl=self._told_to, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def send(self, bodies: list[str]) -> None:
        for body in bodies:
            self._sqs.send_message(QueueUrl=self._waited_at, MessageBody=body)

    def _notifications(self) -> list[Any]:
        settings = self._s3.get_bucket_notification_configuration(Bucket=self._bucket)
        queues: list[Any] = settings["QueueConfigurations"]
        return queues

    def _notify(self, queues: list[Any]) -> None:
        settings = {"QueueConfigurations": queues}
        self._s3.put_bucket_notification_configuration(Bucket=self._bucket, NotificationConfiguration=settings)


@contextmanager
def _intercepted(site: Site) -> Iterator[Events]:
    events = Events(site)
    events.intercept()
    yield events
    events.let_go()


def _arn(queue: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def _policy(bucket: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _arn(_INTERCEPTED),
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
