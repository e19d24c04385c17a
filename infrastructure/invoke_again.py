"""Invokes a function again with each of its dead letters: `make invoke-again STAGE=prod FUNCTION=record_storage_event`.

Lambda puts an asynchronous event that failed into the queue as it was. SQS cannot give it back: a redrive moves
messages to the queue that they came from, and these came from none.
"""

import argparse
import json
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LONGEST_RUN_SECONDS = 900
"""Lambda's own limit."""
HIDDEN_SECONDS = 43_200
"""How long messages are hidden from other readers and from this run: the most that SQS allows."""
_WAIT_SECONDS = 2
"""An answer without messages after less may come from servers of SQS that have none of them."""


class Place(NamedTuple):
    function: str
    dead_letters: str


def find(stage: str, function: str) -> Place:
    """Returns the function's alias and its queue from the outputs of the stack; raises LookupError."""
    name = f"tagged-image-manager-{stage}"
    try:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        raise LookupError(f"The stack {name} was not found: {error}") from None
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    title = function.title().replace("_", "")
    try:
        return Place(outputs[f"Function{title}"], outputs[f"DeadLetters{title}"])
    except KeyError:
        known = sorted(key.removeprefix("DeadLetters") for key in outputs if key.startswith("DeadLetters"))
        raise LookupError(
            f"{function} has no dead letters to invoke it with; these have: {', '.join(known)}."
        ) from None


def invoke_again(place: Place) -> Generator[tuple[str, str | None], None, None]:
    """Yields each message id with the type of the error, None if the function accepted the event and the message was
    deleted. Ends when there are no more messages, or when one comes a second time. Messages whose function fails become
    visible again at the end, also of a run that is broken off, so that none is tried twice in a run."""
    sqs, functions = boto3.client("sqs"), boto3.client("lambda", config=_patient())
    tried = set[str]()
    kept = list[dict[str, str]]()
    try:
        for message in _messages(sqs, place.dead_letters):
            receipt = {"QueueUrl": place.dead_letters, "ReceiptHandle": message["ReceiptHandle"]}
            kept.append(receipt)
            if message["MessageId"] in tried:
                return
            tried.add(message["MessageId"])
            error = _error(functions, place.function, message["Body"])
            if error is None:
                sqs.delete_message(**receipt)
                kept.pop()
            yield message["MessageId"], error
    finally:
        for receipt in kept:
            with suppress(ClientError):  # it is visible again already
                sqs.change_message_visibility(**receipt, VisibilityTimeout=0)


def _messages(sqs: Any, queue: str) -> Iterator[dict[str, Any]]:
    """Yields one message at a time, until there are no more."""
    while received := sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=1,
        VisibilityTimeout=HIDDEN_SECONDS,
        WaitTimeSeconds=_WAIT_SECONDS,
    ).get("Messages"):
        yield received[0]


def _error(functions: Any, function: str, event: str) -> str | None:
    """The type only: the message may hold what no log may, and the function's log has the rest."""
    answer = functions.invoke(FunctionName=function, Payload=event.encode())
    if "FunctionError" not in answer:
        return None
    return str(json.load(answer["Payload"]).get("errorType", answer["FunctionError"]))


def _patient() -> Config:
    """Without retries: the function may be at work while a client gives up on it."""
    return Config(read_timeout=LONGEST_RUN_SECONDS + 30, retries={"total_max_attempts": 1})


def main() -> int:
    parser = argparse.ArgumentParser(prog="invoke-again", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--function", required=True)
    options = parser.parse_args()
    try:
        place = find(options.stage, options.function)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    outcomes = list[str | None]()
    for message, error_type in invoke_again(place):
        print(f"{message}: {'done' if error_type is None else f'failed again ({error_type}), left in the queue'}")
        outcomes.append(error_type)
    failures = sum(error_type is not None for error_type in outcomes)
    print(f"{len(outcomes)} dead letters, of which {failures} failed again.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
