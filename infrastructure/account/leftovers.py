"""What an earlier stack of the stage left: images, users and keys that a new stack would not use."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from infrastructure.account.finding import Finding, listed
from infrastructure.account.names import given
from infrastructure.account.target import Target

_NAMED = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBProxy": "DBProxyName",
    "AWS::S3::Bucket": "BucketName",
}
"""What the checks of names report."""


def leftovers(target: Target) -> Iterator[Finding]:
    """Every resource has the tags of the stage, and the names of most are made up by CloudFormation."""
    if target.stack_status is not None:
        return
    filters = [{"Key": key, "Values": [value]} for key, value in target.assembly.tags.items()]
    tagged = target.calls.all("resourcegroupstaggingapi", "GetResources", "ResourceTagMappingList", TagFilters=filters)
    names = tuple(name for kind, property_ in _NAMED.items() for name in given(target, kind, property_))
    found = [one["ResourceARN"] for one in tagged if not _is_named(one["ResourceARN"], names)]
    if left := [arn for arn in found if not _is_going(target, arn)]:
        yield Finding(
            "Resources of an earlier stack of the stage are left, and a new stack makes its own instead of using them",
            listed(left),
            "none",
            "restore from them what is still needed (design-docs/deployment.md), then delete them",
        )


def _is_named(arn: str, names: tuple[str, ...]) -> bool:
    return arn.removesuffix(":*").endswith(names)


def _is_going(target: Target, arn: str) -> bool:
    """Returns whether it is a key that is scheduled for deletion, which takes 30 days."""
    if ":kms:" not in arn:
        return False
    try:
        key = target.calls.get("kms", "DescribeKey", KeyId=arn)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return True
        raise
    return bool(key["KeyState"] == "PendingDeletion")
