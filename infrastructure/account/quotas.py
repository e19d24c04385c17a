"""Quotas of the account: what is used, what a stage adds, and what there may be."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from botocore.exceptions import ClientError

from infrastructure.account.calls import Calls
from infrastructure.account.finding import Finding
from infrastructure.account.target import Target


class Quota(NamedTuple):
    service: str
    """As Service Quotas names it."""
    code: str
    name: str
    used: Callable[[Calls], int]
    added: Callable[[Target], int]


def of_type(kind: str) -> Callable[[Target], int]:
    """Returns a function that counts what the template has of a type and the stack has not yet."""
    return lambda target: max(0, len(target.assembly.of_type(kind)) - len(target.existing(kind)))


def counted(service: str, operation: str, items: str, **parameters: object) -> Callable[[Calls], int]:
    return lambda calls: sum(1 for _ in calls.all(service, operation, items, **parameters))


def _gateway_endpoints(target: Target) -> int:
    kinds = [one["VpcEndpointType"] for one in target.assembly.of_type("AWS::EC2::VPCEndpoint")]
    return 0 if target.existing("AWS::EC2::VPCEndpoint") else kinds.count("Gateway")


def _interfaces(target: Target) -> int:
    """At most one for each security group in each subnet: functions, proxy, database and endpoint."""
    if target.existing("AWS::EC2::VPC"):
        return 0
    return len(target.assembly.of_type("AWS::EC2::Subnet")) * len(target.assembly.of_type("AWS::EC2::SecurityGroup"))


def _regional_apis(calls: Calls) -> int:
    apis = calls.all("apigateway", "GetRestApis", "items")
    return sum("REGIONAL" in api["endpointConfiguration"]["types"] for api in apis)


def _firewalls(calls: Calls) -> int:
    """ListWebACLs has pages, but no paginator."""
    count, following = 0, dict[str, str]()
    while True:
        page = calls.get("wafv2", "ListWebACLs", Scope="REGIONAL", Limit=100, **following)
        count += len(page["WebACLs"])
        if not page.get("NextMarker") or not page["WebACLs"]:
            return count
        following = {"NextMarker": page["NextMarker"]}


_GATEWAYS = [{"Name": "vpc-endpoint-type", "Values": ["Gateway"]}]

QUOTAS = [
    Quota("vpc", "L-F678F1CE", "VPCs per Region", counted("ec2", "DescribeVpcs", "Vpcs"), of_type("AWS::EC2::VPC")),
    Quota(
        "vpc",
        "L-1B52E74A",
        "Gateway VPC endpoints per Region",
        counted("ec2", "DescribeVpcEndpoints", "VpcEndpoints", Filters=_GATEWAYS),
        _gateway_endpoints,
    ),
    Quota(
        "vpc",
        "L-DF5E4CA3",
        "Network interfaces per Region",
        counted("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces"),
        _interfaces,
    ),
    Quota(
        "rds",
        "L-952B80B8",
        "DB clusters",
        counted("rds", "DescribeDBClusters", "DBClusters"),
        of_type("AWS::RDS::DBCluster"),
    ),
    Quota(
        "rds",
        "L-7B6409FD",
        "DB instances",
        counted("rds", "DescribeDBInstances", "DBInstances"),
        of_type("AWS::RDS::DBInstance"),
    ),
    Quota(
        "rds", "L-D94C7EA3", "Proxies", counted("rds", "DescribeDBProxies", "DBProxies"), of_type("AWS::RDS::DBProxy")
    ),
    Quota("apigateway", "L-AA0FF27B", "Regional APIs", _regional_apis, of_type("AWS::ApiGateway::RestApi")),
    Quota(
        "wafv2",
        "L-2EC3DE7B",
        "Maximum web ACLs per account in WAF for regional",
        _firewalls,
        of_type("AWS::WAFv2::WebACL"),
    ),
    Quota(
        "kms", "L-C2F1777E", "Customer Master Keys (CMKs)", counted("kms", "ListKeys", "Keys"), of_type("AWS::KMS::Key")
    ),
    Quota(
        "cognito-idp",
        "L-66E6DF30",
        "User pools per account",
        counted("cognito-idp", "ListUserPools", "UserPools", MaxResults=60),
        of_type("AWS::Cognito::UserPool"),
    ),
    Quota(
        "events", "L-244521F2", "Number of rules", counted("events", "ListRules", "Rules"), of_type("AWS::Events::Rule")
    ),
]
"""Those that a stage adds to. The codes are the same in every account and region."""


def check(quota: Quota) -> Callable[[Target], Iterator[Finding]]:
    def checked(target: Target) -> Iterator[Finding]:
        added = quota.added(target)
        if not added:
            return
        used, limit = quota.used(target.calls), _limit(target.calls, quota)
        if used + added > limit:
            yield Finding(
                f"The stage needs more of the quota `{quota.name}` of {quota.service} than is left",
                f"{used} used of {limit:g}",
                f"{added} more",
                f"request an increase of the quota {quota.code}, or delete what is not used any more",
            )

    return checked


def _limit(calls: Calls, quota: Quota) -> float:
    """Service Quotas knows a value of the account only where it differs from the default, or has been looked up."""
    asked = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        return float(calls.get("service-quotas", "GetServiceQuota", **asked)["Quota"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
    return float(calls.get("service-quotas", "GetAWSDefaultServiceQuota", **asked)["Quota"]["Value"])
