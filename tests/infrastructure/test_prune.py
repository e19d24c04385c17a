"""Old versions of functions and layers are deleted, and none that is in use or is what one goes back to."""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from infrastructure.prune import PREDECESSORS, prune, stale
from local import emulator
from local.state import free_port, random_credentials
from tests.conftest import ROOT
from tests.infrastructure import emulated

STACK = "tagged-image-manager-dev"
TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "Layer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"LayerName": "libraries", "Content": {"S3Bucket": "code", "S3Key": "code.zip"}},
        },
        **{
            name: {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": name,
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Layers": [{"Ref": "Layer"}],
                    "Code": {"S3Bucket": "code", "S3Key": "code.zip"},
                },
            }
            for name in ("api", "without-alias")
        },
    }
}


def code(number: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", f"def handler(event, context): return {number}")
    return content.getvalue()


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Of a command that is to call an emulator, which has the stack."""
    with tempfile.TemporaryDirectory() as directory:
        home, credentials = Path(directory), random_credentials()
        running = emulator.start(home, free_port(None), home / "emulator.log", credentials, services=emulated.SERVICES)
        try:
            running.wait_until_ready()
            yield emulated.Cloud(running.url, credentials).environment
        finally:
            running.stop()


@pytest.fixture(scope="module")
def session(environment: dict[str, str]) -> boto3.Session:
    made = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    s3 = made.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": made.region_name})
    s3.put_object(Bucket="code", Key="code.zip", Body=code(0))
    return made


@pytest.fixture
def functions(environment: dict[str, str], session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Lambda, with a function of fifteen versions, each with a version of the layer of its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
    client = session.client("lambda")
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    for number in range(1, 16):
        publish(client, "api", number)
    publish(client, "without-alias", 1)
    client.create_alias(FunctionName="api", Name="live", FunctionVersion="15")
    yield client
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    for one in client.list_layer_versions(LayerName="libraries")["LayerVersions"]:
        client.delete_layer_version(LayerName="libraries", VersionNumber=one["Version"])


def publish(client: Any, function: str, number: int) -> None:
    layer = client.publish_layer_version(LayerName="libraries", Content={"ZipFile": code(number)})
    client.update_function_code(FunctionName=function, ZipFile=code(number))
    client.update_function_configuration(FunctionName=function, Layers=[layer["LayerVersionArn"]])
    client.publish_version(FunctionName=function)


def versions(client: Any, function: str) -> list[int]:
    found = client.list_versions_by_function(FunctionName=function)["Versions"]
    return sorted(int(one["Version"]) for one in found if one["Version"] != "$LATEST")


def layers(client: Any) -> list[int]:
    return sorted(one["Version"] for one in client.list_layer_versions(LayerName="libraries")["LayerVersions"])


def run(session: boto3.Session, days: int = 2) -> list[str]:
    return list(prune(session, STACK, datetime.now(UTC) + timedelta(days=days)))


def test_ten_versions_stay_the_live_one_and_the_nine_before_it(functions: Any, session: boto3.Session) -> None:
    deleted = run(session)

    assert versions(functions, "api") == list(range(6, 16))
    assert versions(functions, "without-alias") == [1]
    assert [arn.rpartition(":")[2] for arn in deleted if ":function:" in arn] == ["1", "2", "3", "4", "5"]
    assert run(session) == []


def test_a_version_that_any_alias_points_to_stays(functions: Any, session: boto3.Session) -> None:
    weights = {"AdditionalVersionWeights": {"3": 0.1}}
    functions.create_alias(FunctionName="api", Name="old", FunctionVersion="2", RoutingConfig=weights)

    run(session)

    assert versions(functions, "api") == [2, 3, *range(6, 16)]


def test_after_going_back_the_newer_versions_stay(functions: Any, session: boto3.Session) -> None:
    functions.update_alias(FunctionName="api", Name="live", FunctionVersion="12")

    run(session)

    assert versions(functions, "api") == list(range(3, 16))


def test_versions_of_layers_that_no_version_of_a_function_uses_are_deleted(
    functions: Any, session: boto3.Session
) -> None:
    kept = {
        int(layer["Arn"].rpartition(":")[2])
        for name in ("api", "without-alias")
        for one in functions.list_versions_by_function(FunctionName=name)["Versions"]
        if name == "without-alias" or one["Version"] == "$LATEST" or int(one["Version"]) > 15 - PREDECESSORS - 1
        for layer in one["Layers"]
    }
    before = layers(functions)

    run(session)

    assert len(before) - len(layers(functions)) == 5
    assert set(layers(functions)) == kept | {before[0]}  # the first is the one that the stack deployed


def test_a_young_version_of_a_layer_stays(functions: Any, session: boto3.Session) -> None:
    before = layers(functions)

    assert all(":layer:" not in arn for arn in run(session, days=0))
    assert layers(functions) == before


def test_the_command_says_what_it_has_deleted(functions: Any, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "infrastructure.prune", "--stage", "dev"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "5 old versions of functions and layers deleted." in done.stdout
    assert versions(functions, "api") == list(range(6, 16))


@pytest.mark.parametrize("count", [1, 9, 10])
def test_of_ten_versions_none_is_deleted(count: int) -> None:
    assert stale(set(range(1, count + 1)), count, set()) == []


def test_versions_that_aliases_point_to_are_not_even_tried() -> None:
    assert stale(set(range(1, 16)), 15, {2, 3, 15}) == [1, 4, 5]


def test_make_deploy_prunes_after_the_deployment() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ndeploy:")[2].partition("\n\n")[0]

    assert recipe.index("deploy --app") < recipe.index("infrastructure.prune --stage $(STAGE)")
