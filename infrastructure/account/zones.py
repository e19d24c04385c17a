"""Whether the availability zones that the VPC would use have what is placed in them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from infrastructure.account.finding import Finding, listed
from infrastructure.account.target import Target

WITHOUT_PROXY = ("use1-az3", "usw1-az2")
"""Ids of zones that have no RDS Proxy, as of November 2026. No call tells; AWS lists them among the limitations in
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.html."""

Zone = dict[str, Any]


def proxy_zones(target: Target) -> Iterator[Finding]:
    for zone in _zones(target):
        if zone["ZoneId"] in WITHOUT_PROXY:
            yield Finding(
                "A zone of the VPC has no RDS Proxy",
                f"{zone['ZoneName']}, which is {zone['ZoneId']}",
                f"a zone other than {listed(list(WITHOUT_PROXY))}",
                _OTHER_ZONES,
            )


def enough_zones(target: Target) -> Iterator[Finding]:
    wanted = target.assembly.of_type("AWS::EC2::Subnet")
    if len(zones := _zones(target)) < len(wanted):
        yield Finding(
            "The region has too few zones for the subnets of the VPC",
            f"{len(zones)} ({listed([zone['ZoneName'] for zone in zones])})",
            str(len(wanted)),
            "delete the default subnets of the account or make one in each zone, since CloudFormation counts only zones"
            " with a default subnet if there is any, or take another region",
        )


def endpoint_zones(target: Target) -> Iterator[Finding]:
    """An interface endpoint has a network interface in each zone, which the service must support."""
    names = {zone["ZoneName"] for zone in _zones(target)}
    for endpoint in target.assembly.of_type("AWS::EC2::VPCEndpoint"):
        if endpoint["VpcEndpointType"] != "Interface":
            continue
        service = target.text(endpoint["ServiceName"])
        if missing := names - _endpoint_zones(target, service):
            yield Finding(
                f"The service {service} has no VPC endpoint in a zone of the VPC",
                f"none in {listed(list(missing))}",
                f"one in {listed(list(names))}",
                _OTHER_ZONES,
            )


def engine_version(target: Target) -> Iterator[Finding]:
    engine, version = _engine(target)
    if not (offered := _versions(target, engine, version)):
        others = [one["EngineVersion"] for one in target.calls.all("rds", *_ALL_VERSIONS, Engine=engine)]
        yield Finding(
            f"The region does not offer this version of {engine}",
            f"versions {', '.join(others[-5:]) or 'none'}",
            f"version {version}",
            "set a version that is offered in infrastructure/stack/database.py, or take another region",
        )
        return
    most = target.assembly.one("AWS::RDS::DBCluster")["ServerlessV2ScalingConfiguration"]["MaxCapacity"]
    limits = offered[0].get("ServerlessV2FeaturesSupport", {})
    if most > limits.get("MaxCapacity", most):
        yield Finding(
            f"{engine} {version} does not scale to the capacity of the stage",
            f"at most {limits['MaxCapacity']:g} units",
            f"{most} units",
            "lower `most_capacity` of the stage in infrastructure/stages.py",
        )


def instance_zones(target: Target) -> Iterator[Finding]:
    engine, version = _engine(target)
    kind = target.assembly.of_type("AWS::RDS::DBInstance")[0]["DBInstanceClass"]
    if not _versions(target, engine, version):
        return  # `engine_version` says so
    options = target.calls.all(
        "rds",
        "DescribeOrderableDBInstanceOptions",
        "OrderableDBInstanceOptions",
        Engine=engine,
        EngineVersion=version,
        DBInstanceClass=kind,
    )
    names = {zone["ZoneName"] for zone in _zones(target)}
    if missing := names - {zone["Name"] for option in options for zone in option["AvailabilityZones"]}:
        yield Finding(
            f"A zone of the VPC has no {kind} of {engine} {version}",
            f"none in {listed(list(missing))}",
            f"one in {listed(list(names))}",
            _OTHER_ZONES,
        )


_ALL_VERSIONS = ("DescribeDBEngineVersions", "DBEngineVersions")
_OTHER_ZONES = "set `zones` of the stage in stages.toml"


def _engine(target: Target) -> tuple[str, str]:
    cluster = target.assembly.one("AWS::RDS::DBCluster")
    return str(cluster["Engine"]), str(cluster["EngineVersion"])


def _versions(target: Target, engine: str, version: str) -> list[dict[str, Any]]:
    return list(target.calls.all("rds", *_ALL_VERSIONS, Engine=engine, EngineVersion=version))


def _endpoint_zones(target: Target, service: str) -> set[str]:
    try:
        answer = target.calls.get("ec2", "DescribeVpcEndpointServices", ServiceNames=[service])
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidServiceName":
            return set()
        raise
    return {zone for one in answer["ServiceDetails"] for zone in one["AvailabilityZones"]}


@cache
def _zones(target: Target) -> list[Zone]:
    """Returns the zones of the template's subnets: those that it names, or those that Fn::GetAZs gives. That function
    gives zones with a default subnet, or all zones if none has one, in the order of their names."""
    wanted = [subnet["AvailabilityZone"] for subnet in target.assembly.of_type("AWS::EC2::Subnet")]
    zones = sorted(_zones_of_region(target), key=lambda zone: str(zone["ZoneName"]))
    defaults = target.calls.all(
        "ec2", "DescribeSubnets", "Subnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}]
    )
    with_default = {subnet["AvailabilityZone"] for subnet in defaults}
    given = [zone for zone in zones if zone["ZoneName"] in with_default] or zones
    places = [one["Fn::Select"][0] for one in wanted if not isinstance(one, str)]
    named = [zone for zone in zones if zone["ZoneName"] in wanted]
    return named + [given[int(place)] for place in places if int(place) < len(given)]


def _zones_of_region(target: Target) -> list[Zone]:
    answer = target.calls.get(
        "ec2", "DescribeAvailabilityZones", Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
    )
    zones: list[Zone] = answer["AvailabilityZones"]
    return zones
