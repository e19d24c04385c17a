"""The calls to AWS: which there are, and what their failures mean. All of them only read."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.account.finding import NotChecked

ACTIONS = {
    ("apigateway", "GetAccount"): "apigateway:GET",
    ("apigateway", "GetRestApis"): "apigateway:GET",
    ("cloudformation", "DescribeStacks"): "cloudformation:DescribeStacks",
    ("cloudformation", "ListStackResources"): "cloudformation:ListStackResources",
    ("cloudwatch", "DescribeAlarms"): "cloudwatch:DescribeAlarms",
    ("cloudwatch", "ListDashboards"): "cloudwatch:ListDashboards",
    ("cognito-idp", "DescribeUserPoolDomain"): "cognito-idp:DescribeUserPoolDomain",
    ("cognito-idp", "ListUserPools"): "cognito-idp:ListUserPools",
    ("ec2", "DescribeAvailabilityZones"): "ec2:DescribeAvailabilityZones",
    ("ec2", "DescribeNetworkInterfaces"): "ec2:DescribeNetworkInterfaces",
    ("ec2", "DescribeSubnets"): "ec2:DescribeSubnets",
    ("ec2", "DescribeVpcEndpointServices"): "ec2:DescribeVpcEndpointServices",
    ("ec2", "DescribeVpcEndpoints"): "ec2:DescribeVpcEndpoints",
    ("ec2", "DescribeVpcs"): "ec2:DescribeVpcs",
    ("events", "ListRules"): "events:ListRules",
    ("kms", "DescribeKey"): "kms:DescribeKey",
    ("kms", "ListKeys"): "kms:ListKeys",
    ("lambda", "GetAccountSettings"): "lambda:GetAccountSettings",
    ("lambda", "GetFunctionConcurrency"): "lambda:GetFunctionConcurrency",
    ("logs", "DescribeLogGroups"): "logs:DescribeLogGroups",
    ("rds", "DescribeDBClusters"): "rds:DescribeDBClusters",
    ("rds", "DescribeDBEngineVersions"): "rds:DescribeDBEngineVersions",
    ("rds", "DescribeDBInstances"): "rds:DescribeDBInstances",
    ("rds", "DescribeDBProxies"): "rds:DescribeDBProxies",
    ("rds", "DescribeOrderableDBInstanceOptions"): "rds:DescribeOrderableDBInstanceOptions",
    ("resourcegroupstaggingapi", "GetResources"): "tag:GetResources",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("service-quotas", "GetAWSDefaultServiceQuota"): "servicequotas:GetAWSDefaultServiceQuota",
    ("service-quotas", "GetServiceQuota"): "servicequotas:GetServiceQuota",
    ("sns", "ListSubscriptionsByTopic"): "sns:ListSubscriptionsByTopic",
    ("ssm", "GetParameter"): "ssm:GetParameter",
    ("sts", "GetCallerIdentity"): "sts:GetCallerIdentity",
    ("wafv2", "ListWebACLs"): "wafv2:ListWebACLs",
}
"""Services and operations that may be called, with the permission that each requires, which is not always named after
the operation (https://docs.aws.amazon.com/service-authorization/latest/reference/)."""

_DENIED = {
    *("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"),
    *("UnauthorizedOperation", "UnauthorizedException", "NotAuthorized"),
}
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})


def policy() -> dict[str, Any]:
    """Returns the IAM policy that the person who runs the checks needs. Few of the calls know a narrower resource."""
    statement = {"Effect": "Allow", "Action": sorted(set(ACTIONS.values())), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


class Calls:
    def __init__(self, session: boto3.Session) -> None:
        self.region: str | None = session.region_name
        self._client = cache(lambda service: session.client(service, config=_CONFIG))

    def get(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Returns the answer to one call. Raises NotChecked when it is not permitted or not answered, ClientError when
        AWS answers anything else."""
        action = ACTIONS[service, operation]
        try:
            answer: dict[str, Any] = getattr(self._client(service), xform_name(operation))(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise _meant(error, operation, action) from error
        return answer

    def all(self, service: str, operation: str, items: str, **parameters: Any) -> Iterator[Any]:
        """Yields the items of every page of answers; raises as `get` does."""
        action = ACTIONS[service, operation]
        try:
            for page in self._client(service).get_paginator(xform_name(operation)).paginate(**parameters):
                yield from page[items]
        except (ClientError, BotoCoreError) as error:
            raise _meant(error, operation, action) from error


def _meant(error: Exception, operation: str, action: str) -> Exception:
    """Returns what to raise instead of an error of boto3: the same, when it is AWS's answer to the question."""
    if isinstance(error, BotoCoreError):
        return NotChecked(f"{operation} was not answered: {error}")
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIED:
        return NotChecked(f"The permission {action} is missing. `--policy` prints all that are needed")
    return error
