"""Where a stage would be deployed: an account, a region, and the stack that may be there already."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from infrastructure.account.assembly import Assembly, text
from infrastructure.account.calls import Calls

_NONE = ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")
"""A stack in these states has no resources."""


@dataclass(frozen=True)
class Target:
    calls: Calls
    assembly: Assembly
    account: str
    partition: str
    region: str

    @cached_property
    def stack_status(self) -> str | None:
        """Returns None when there is no stack."""
        try:
            answer = self.calls.get("cloudformation", "DescribeStacks", StackName=self.assembly.stack)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":  # "Stack with id … does not exist"
                return None
            raise
        status = str(answer["Stacks"][0]["StackStatus"])
        return None if status in _NONE else status

    @cached_property
    def resources(self) -> list[dict[str, Any]]:
        """Returns what the stack has already: the LogicalResourceId, PhysicalResourceId and ResourceType of each."""
        if self.stack_status is None:
            return []
        found = self.calls.all(
            "cloudformation", "ListStackResources", "StackResourceSummaries", StackName=self.assembly.stack
        )
        return [one for one in found if one["ResourceStatus"] != "DELETE_COMPLETE"]

    def existing(self, kind: str) -> list[str]:
        """Returns the physical ids of the stack's resources of a type."""
        return [one.get("PhysicalResourceId", "") for one in self.resources if one["ResourceType"] == kind]

    def text(self, value: Any) -> str:
        """Returns a string of the template as it will be in this account and region."""
        return text(
            value,
            {
                "AWS::AccountId": self.account,
                "AWS::Partition": self.partition,
                "AWS::Region": self.region,
                "AWS::StackName": self.assembly.stack,
            },
        )
