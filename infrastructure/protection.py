"""Refuses a deployment that would turn off deletion protection, and a first one with it, which could not be rolled
back: `make deploy` runs it first."""

import argparse
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.stages import STAGES, Stage

NEVER_DEPLOYED = ("REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE")
"""States of a stack whose first deployment has not succeeded yet."""


def refusal(session: boto3.Session, stage: Stage, *, first: bool) -> str | None:
    """Returns why the stage cannot be deployed in this way, or None. Raises ClientError."""
    name = f"tagged-image-manager-{stage.name}"
    status = _status(session, name)
    is_first = status is None or status in NEVER_DEPLOYED
    if first and not is_first:
        return (
            f"FIRST=yes is for a stage that does not exist, and {name} does ({status}): it would turn off deletion"
            " protection. Deploy without FIRST."
        )
    if stage.kept and is_first and not first:
        return (
            f"{name} was never deployed. Deploy it with FIRST=yes, so that a failure can be rolled back, and then once"
            " more without, which turns on deletion protection."
        )
    return None


def _status(session: boto3.Session, name: str) -> str | None:
    try:
        (stack,) = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # "Stack with id … does not exist"
            return None
        raise
    return str(stack["StackStatus"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="infrastructure.protection", description=__doc__)
    parser.add_argument("--stage", choices=sorted(STAGES), required=True)
    parser.add_argument("--first", action="store_true")
    options = parser.parse_args()
    try:
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))  # which CDK reads, and boto3 does not
        problem = refusal(session, STAGES[options.stage], first=options.first)
    except (BotoCoreError, ClientError) as error:
        problem = f"Whether the stage was deployed before could not be found out: {error}"
    if problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
