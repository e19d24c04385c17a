"""Deletes old versions of a stage's functions and layers: `python -m infrastructure.prune --stage prod`.

Every deployment leaves a copy of the code for each function, and Lambda stores 75 GB for all functions of a region.
Where SnapStart is on, each version is also paid for as long as it exists. Ten versions of each function stay: the one
that the alias `live` points to, and the nine before it, to go back to.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infrastructure.stages import STAGES

LIVE = "live"
PREDECESSORS = 9
LAYER_AGE = timedelta(days=1)
"""Younger versions of layers are left: the deployment of another stage may be about to use them. CloudFormation gives
the layers of all stages in an account the same name."""


def stale(versions: set[int], live: int, aliased: set[int]) -> list[int]:
    """Returns the versions to delete. Those newer than the live one stay, too: it may have been moved back."""
    older = sorted(version for version in versions if version < live)
    return [version for version in older[:-PREDECESSORS] if version not in aliased]


def prune(session: boto3.Session, stack: str, now: datetime) -> Iterator[str]:
    """Yields the ARN of each version of a function or layer that it has deleted."""
    functions, layers = _of_the_stack(session, stack)
    client = session.client("lambda")
    for function in functions:
        yield from _prune_function(client, function)
    if layers:
        used = _used_layers(client, functions) | set(layers)
        for name in sorted({arn.split(":")[-2] for arn in layers}):
            yield from _prune_layer(client, name, used, now - LAYER_AGE)


def _of_the_stack(session: boto3.Session, stack: str) -> tuple[list[str], list[str]]:
    """Returns the names of the functions of the stack, and the ARNs of the versions of layers that it deployed."""
    client = session.client("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    of_type = {
        kind: [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == kind]
        for kind in ("AWS::Lambda::Function", "AWS::Lambda::LayerVersion")
    }
    return of_type["AWS::Lambda::Function"], of_type["AWS::Lambda::LayerVersion"]


def _prune_function(client: Any, function: str) -> Iterator[str]:
    """Leaves functions without the alias alone: CDK's own have no versions."""
    aliases = _all(client, "list_aliases", "Aliases", FunctionName=function)
    live = [int(one["FunctionVersion"]) for one in aliases if one["Name"] == LIVE]
    if not live:
        return
    aliased = {int(version) for one in aliases for version in _versions(one)}
    versions = _all(client, "list_versions_by_function", "Versions", FunctionName=function)
    numbers = {int(one["Version"]): str(one["FunctionArn"]) for one in versions if one["Version"] != "$LATEST"}
    for version in stale(set(numbers), live[0], aliased):
        try:
            client.delete_function(FunctionName=function, Qualifier=str(version))
        except client.exceptions.ResourceConflictException:
            continue  # an alias was moved to it since
        yield numbers[version]


def _versions(alias: dict[str, Any]) -> list[str]:
    """Returns the versions that an alias points to: two, while it moves traffic by degrees."""
    return [alias["FunctionVersion"], *alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})]


def _used_layers(client: Any, functions: list[str]) -> set[str]:
    """Returns the ARNs of the layers that functions of the account and region use, in any version of them."""
    everywhere = _all(client, "list_functions", "Functions", FunctionVersion="ALL")
    own = [
        one for name in functions for one in _all(client, "list_versions_by_function", "Versions", FunctionName=name)
    ]
    return {layer["Arn"] for one in [*everywhere, *own] for layer in one.get("Layers", [])}


def _prune_layer(client: Any, layer: str, used: set[str], before: datetime) -> Iterator[str]:
    for one in _all(client, "list_layer_versions", "LayerVersions", LayerName=layer):
        if one["LayerVersionArn"] not in used and datetime.fromisoformat(one["CreatedDate"]) < before:
            client.delete_layer_version(LayerName=layer, VersionNumber=one["Version"])
            yield str(one["LayerVersionArn"])


def _all(client: Any, operation: str, items: str, **parameters: Any) -> list[dict[str, Any]]:
    return [one for page in client.get_paginator(operation).paginate(**parameters) for one in page[items]]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="infrastructure.prune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=sorted(STAGES), required=True)
    stage = parser.parse_args().stage
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    count = 0
    try:
        for arn in prune(session, f"tagged-image-manager-{stage}", datetime.now(UTC)):
            print(f"deleted {arn}")
            count += 1
    except ClientError as error:
        print(f"Not all old versions could be deleted; the deployment is not affected. {error}", file=sys.stderr)
        return 1
    print(f"{count} old versions of functions and layers deleted.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
