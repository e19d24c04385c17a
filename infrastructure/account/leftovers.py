"""What an earlier stack of the stage left: images, users and keys that a new stack would not use."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from infrastructure.account.finding import Finding, listed
from infrastructure.account.names import ALARMS, LOG_GROUPS, PROXIES, given
from infrastructure.account.target import Target

_NAMED = {"AWS::S3::Bucket": "BucketName"} | {one.kind: one.property for one in (ALARMS, LOG_GROUPS, PROXIES)}
"""What the checks of names report."""

_WITHOUT_A_STACK = (None, "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""After a first deployment that failed, what was kept is left over, although the stack is still there."""


def leftovers(target: Target) -> Iterator[Finding]:
    """Finds them by the tags of the stage: the names of most resources are made up by CloudFormation."""
    if target.stack_status not in _WITHOUT_A_STACK:
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
