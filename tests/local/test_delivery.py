"""From the queue to the handler, against a queue in memory."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local import delivery
from local.delivery import KINDS, Delivery
from local.invocation import Ending

STORAGE, INSPECTION = KINDS["storage"], KINDS["inspection"]


class Service:
    """Remembers what it was invoked with, and fails while told to."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.fails = False

    def handle(self, event: Any, context: Any) -> None:
        assert context.get_remaining_time_in_millis() > 0
        self.events.append(event)
        if self.fails:
            raise RuntimeError("it cannot")


class Queue:
    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", region_name="eu-central-1")
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        self.url = self.sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": redrive})["QueueUrl"]

    def send(self, event: Any, **options: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(event), **options)

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in attributes.values())

    def dead_letters(self) -> list[Any]:
        messages = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(delivery, "LONGEST_POLL_SECONDS", 0)
    monkeypatch.setattr(delivery, "BACKOFF_SECONDS", (0, 0))
    with mock_aws():
        yield Queue()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def courier(queue: Queue, service: Service) -> Delivery:
    return Delivery(queue.sqs, queue.url, STORAGE, service.handle, Ending())


def test_each_event_reaches_the_handler_once(queue: Queue, service: Service, courier: Delivery) -> None:
    queue.send({"Records": [1]})
    queue.send({"Records": [2]})

    courier.step()
    courier.step()

    assert sorted(event["Records"] for event in service.events) == [[1], [2]]
    assert queue.waiting() == 0


def test_a_message_for_the_inspection_comes_as_lambda_tells_of_it(queue: Queue, service: Service) -> None:
    queue.send({"object_key": "images/1"})
    queue.send({"object_key": "images/2"})

    Delivery(queue.sqs, queue.url, INSPECTION, service.handle, Ending()).step()

    ((record,),) = [event["Records"] for event in service.events]
    assert json.loads(record["body"])["object_key"].startswith("images/")
    assert record["eventSource"] == "aws:sqs"
    assert queue.waiting() == 1


def test_the_test_event_of_s3_is_skipped(queue: Queue, service: Service, courier: Delivery) -> None:
    queue.send({"Service": "Amazon S3", "Event": "s3:TestEvent"})

    courier.step()

    assert service.events == []
    assert queue.waiting() == 0


def test_what_fails_is_tried_three_times_and_then_kept(queue: Queue, service: Service, courier: Delivery) -> None:
    service.fails = True
    queue.send({"Records": ["bad"]})

    for _ in range(6):
        courier.step()

    assert service.events == [{"Records": ["bad"]}] * 3
    assert queue.waiting() == 0
    assert queue.dead_letters() == [{"Records": ["bad"]}]


def test_what_fails_once_is_done_the_next_time(queue: Queue, service: Service, courier: Delivery) -> None:
    service.fails = True
    queue.send({"Records": [1]})
    courier.step()
    service.fails = False

    courier.step()

    assert len(service.events) == 2
    assert queue.waiting() == 0


def test_when_told_to_end_it_finishes_what_it_is_at(queue: Queue) -> None:
    def handle(event: Any, _: Any) -> None:
        handled.append(event)
        ending.ask(15, None)

    handled: list[Any] = []
    ending = Ending()
    courier = Delivery(queue.sqs, queue.url, STORAGE, handle, ending)
    queue.send({"Records": [1]})

    with pytest.raises(SystemExit):
        courier.step()

    assert handled == [{"Records": [1]}]
    assert queue.waiting() == 0


def test_the_one_file_of_a_caller_does_not_wait_for_the_many_of_another(queue: Queue, service: Service) -> None:
    for number in range(25):
        queue.send({"object_key": f"many/{number}"}, MessageGroupId="many")
    queue.send({"object_key": "one"}, MessageGroupId="one")
    courier = Delivery(queue.sqs, queue.url, INSPECTION, service.handle, Ending())

    for _ in range(26):
        courier.step()

    keys = [json.loads(event["Records"][0]["body"])["object_key"] for event in service.events]
    assert keys.index("one") <= 1
    assert sorted(keys) == sorted(["one", *(f"many/{number}" for number in range(25))])
    assert queue.waiting() == 0


def test_messages_that_were_held_for_their_turn_are_there_for_the_next_process(queue: Queue, service: Service) -> None:
    for number in range(12):
        queue.send({"object_key": f"many/{number}"}, MessageGroupId="many")
    first = Delivery(queue.sqs, queue.url, INSPECTION, service.handle, Ending())
    first.step()

    first.let_go()
    second = Delivery(queue.sqs, queue.url, INSPECTION, service.handle, Ending())
    for _ in range(11):
        second.step()

    assert len(service.events) == 12
    assert queue.waiting() == 0


def test_a_message_that_only_waited_for_its_turn_outlives_any_number_of_restarts(
    queue: Queue, service: Service
) -> None:
    for number in range(5):
        queue.send({"object_key": f"many/{number}"}, MessageGroupId="many")

    for _ in range(5):
        process = Delivery(queue.sqs, queue.url, INSPECTION, service.handle, Ending())
        process.step()
        process.let_go()

    records = [event["Records"][0] for event in service.events]
    assert sorted(json.loads(record["body"])["object_key"] for record in records) == [f"many/{n}" for n in range(5)]
    assert {record["attributes"]["MessageGroupId"] for record in records} == {"many"}
    assert (queue.waiting(), queue.dead_letters()) == (0, [])
