"""Whether names that the template gives are free, or belong to the stage's own stack."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from botocore.exceptions import ClientError

from infrastructure.account.finding import Finding, listed
from infrastructure.account.target import Target


class Named(NamedTuple):
    """Resources that the template names, and the call that lists those of the account."""

    what: str
    kind: str
    property: str
    service: str
    operation: str
    items: str
    name: str
    """The field of an item."""
    prefix: str | None
    """The parameter that lists only names with a prefix; None: there is none."""


LOG_GROUPS = Named(
    "log groups",
    *("AWS::Logs::LogGroup", "LogGroupName"),
    *("logs", "DescribeLogGroups", "logGroups", "logGroupName", "logGroupNamePrefix"),
)
ALARMS = Named(
    "alarms",
    *("AWS::CloudWatch::Alarm", "AlarmName"),
    *("cloudwatch", "DescribeAlarms", "MetricAlarms", "AlarmName", "AlarmNamePrefix"),
)
DASHBOARDS = Named(
    "dashboards",
    *("AWS::CloudWatch::Dashboard", "DashboardName"),
    *("cloudwatch", "ListDashboards", "DashboardEntries", "DashboardName", "DashboardNamePrefix"),
)
PROXIES = Named(
    "database proxies",
    *("AWS::RDS::DBProxy", "DBProxyName"),
    *("rds", "DescribeDBProxies", "DBProxies", "DBProxyName"),
    prefix=None,
)


def occupied(named: Named, target: Target) -> Iterator[Finding]:
    new = _new(target, named.kind, named.property)
    if not new:
        return
    prefix = {named.prefix: _common_prefix(new)} if named.prefix else {}
    there = target.calls.all(named.service, named.operation, named.items, **prefix)
    if found := [one[named.name] for one in there if one[named.name] in new]:
        yield _leftover(named.what, listed(found))


def buckets(target: Target) -> Iterator[Finding]:
    mine = {one["Name"] for one in target.calls.all("s3", "ListBuckets", "Buckets")}
    for name in _new(target, "AWS::S3::Bucket", "BucketName"):
        if name in mine:
            yield _leftover("buckets", name)
        elif _is_of_another_account(target, name):
            yield Finding(
                "The name of a bucket is taken, in an account other than this",
                name,
                "a name that no account in the partition uses",
                "choose another name with `bucket` of the stage in stages.toml",
            )


def domain_prefix(target: Target) -> Iterator[Finding]:
    """Cognito's prefixes are unique in a region, across accounts. Whether the call also describes a domain of another
    account could not be confirmed."""
    for name in _new(target, "AWS::Cognito::UserPoolDomain", "Domain"):
        answer = target.calls.get("cognito-idp", "DescribeUserPoolDomain", Domain=name)
        if owner := answer.get("DomainDescription", {}).get("AWSAccountId"):
            yield Finding(
                "The prefix of the sign-in domain is taken",
                f"{name}, by {'this account' if owner == target.account else f'account {owner}'}",
                "a prefix that is free in the region",
                "if it is left over from an earlier stack, delete it (`aws cognito-idp delete-user-pool-domain`), else"
                " change the prefix in infrastructure/stack/users.py",
            )


def given(target: Target, kind: str, name: str) -> list[str]:
    """Returns the names that the template gives to resources of a type; `name` is the property. A name that is made of
    what only a deployment gives is not among them: nothing can have it yet."""
    names = list[str]()
    for one in target.assembly.of_type(kind):
        with suppress(KeyError):
            names.append(target.text(one[name]))
    return names


def _new(target: Target, kind: str, name: str) -> list[str]:
    """Returns the names of resources that the stack does not have yet."""
    return sorted(set(given(target, kind, name)) - set(target.existing(kind)))


def _common_prefix(names: list[str]) -> str:
    """Returns what all names begin with, so that one call lists them."""
    first, last = min(names), max(names)
    return next((first[:end] for end in range(len(first), 0, -1) if last.startswith(first[:end])), "")


def _leftover(what: str, found: str) -> Finding:
    return Finding(
        f"Names of {what} that the stack would give are taken by something that is not part of it",
        found,
        "names that are free",
        "delete what is left over from an earlier stack, or import it into the new one (design-docs/deployment.md)",
    )


def _is_of_another_account(target: Target, name: str) -> bool:
    """S3 answers 404 for a name that is free, 403 for a bucket of another account, 301 for one in another region
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html)."""
    try:
        target.calls.get("s3", "HeadBucket", Bucket=name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("301", "403", "404"):
            raise
        return bool(code != "404")
    return True
