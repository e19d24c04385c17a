"""Empties the buckets of a stage, permanently, before `make destroy` deletes its stack. CloudFormation deletes no
bucket that holds objects, versions of objects or delete markers."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.stages import STAGES, Stage

_AT_ONCE = 1000
"""As many objects as S3 deletes in one request."""
_SID = "NothingMoreBeforeDeletion"


class RefusedError(Exception):
    """The stage cannot be emptied; the message says why."""


class Place(NamedTuple):
    """Where a stack is, and the names of its buckets."""

    account: str
    region: str
    buckets: list[str]


def find(session: boto3.Session, stage: Stage) -> Place:
    """Raises RefusedError."""
    if stage.kept:
        raise RefusedError(f"{stage.name} keeps its images: `make destroy` does not delete it. See deployment.md.")
    name = f"tagged-image-manager-{stage.name}"
    client = session.client("cloudformation")
    try:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
    except ClientError as error:
        raise RefusedError(f"The stack {name} was not found: {error}") from None
    region, account = stack["StackId"].split(":")[3:5]
    return Place(account, region, [bucket for one in resources if (bucket := bucket_of(one))])


_NOT_OF_THE_STACK = ("DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED")
"""A bucket that could not be created may bear the name of one that the stack does not own."""


def bucket_of(resource: dict[str, Any]) -> str | None:
    """Returns the name of the bucket, if the resource is one that the stack owns."""
    if resource["ResourceType"] != "AWS::S3::Bucket" or resource["ResourceStatus"] in _NOT_OF_THE_STACK:
        return None
    return resource.get("PhysicalResourceId")


def stop_writing(s3: Any, bucket: str) -> None:
    """Denies everyone to add objects and delete markers, S3 with its access log included, so that the bucket stays
    empty until it is deleted. Versions can still be deleted."""
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    policy["Statement"] = [one for one in policy["Statement"] if one.get("Sid") != _SID] + [
        {
            "Sid": _SID,
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:{s3.meta.partition}:s3:::{bucket}/*",
        }
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def empty(s3: Any, bucket: str) -> int:
    """Deletes every version of every object, every delete marker and every unfinished upload. Returns their number.
    Raises RefusedError if S3 does not delete one."""
    deleted = 0
    for upload in list(_unfinished(s3, bucket)):
        s3.abort_multipart_upload(Bucket=bucket, **upload)
        deleted += 1
    while objects := _versions(s3, bucket):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise RefusedError(f"S3 does not delete {errors[0]['Key']} from {bucket}: {errors[0]['Message']}")
        deleted += len(objects)
    return deleted


def _versions(s3: Any, bucket: str) -> list[dict[str, str]]:
    """Returns the first versions and delete markers of the bucket; none if it is empty."""
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=_AT_ONCE)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]


def _unfinished(s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        yield from ({"Key": one["Key"], "UploadId": one["UploadId"]} for one in page.get("Uploads", []))


def _is_there(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="empty-buckets", description=__doc__)
    parser.add_argument("--stage", choices=sorted(STAGES), required=True)
    stage = STAGES[parser.parse_args().stage]
    try:
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))  # which CDK reads, and boto3 does not
        place, s3 = find(session, stage), session.client("s3")
        found = [bucket for bucket in place.buckets if _is_there(s3, bucket)]
        print(
            f"This deletes {stage.name} in account {place.account}, {place.region}, permanently: database, users, and"
            f" all of {', '.join(found) or 'no bucket'}."
        )
        if input(f"Type {stage.name} to go on: ").strip() != stage.name:
            print("Nothing was deleted.", file=sys.stderr)
            return 1
        for bucket in found:
            stop_writing(s3, bucket)
            print(f"{bucket}: {empty(s3, bucket)} versions, delete markers and unfinished uploads deleted")
    except (RefusedError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
