"""Deployments over what is there: an update of the commit before, a first one that fails, and the end of a stage.

On the emulator, whose CloudFormation updates, replaces and rolls back as AWS documents it.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg2
import pytest
from botocore.exceptions import ClientError

from infrastructure import protection
from infrastructure.empty_buckets import bucket_of
from infrastructure.stages import DEV, PROD, Stage
from local.emulator import Credentials
from tests.conftest import ROOT
from tests.infrastructure import emulated, previous
from tests.infrastructure.conftest import read
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import HOLDING_DATA, Template

DATA = b"\xff\xd8\xff\xd9"
KEY = "images/2026-11-27/stored-before"

FIXED = {
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema"),
    "AWS::RDS::DBCluster": (
        *("DBClusterIdentifier", "DatabaseName", "MasterUsername", "KmsKeyId", "StorageEncrypted", "EngineMode"),
        *("DBSubnetGroupName", "SnapshotIdentifier", "AvailabilityZones", "SourceDBClusterIdentifier"),
    ),
    "AWS::Cognito::UserPool": ("UsernameAttributes", "AliasAttributes", "UsernameConfiguration"),
    "AWS::Cognito::UserPoolClient": ("UserPoolId", "GenerateSecret"),
    "AWS::Cognito::UserPoolDomain": ("Domain", "UserPoolId"),
    "AWS::Cognito::UserPoolResourceServer": ("Identifier", "UserPoolId"),
    "AWS::Cognito::UserPoolGroup": ("GroupName", "UserPoolId"),
    "AWS::SecretsManager::Secret": ("Name", "GenerateSecretString"),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
    "AWS::KMS::Key": ("KeySpec", "KeyUsage", "MultiRegion", "Origin"),
}
"""Properties whose change CloudFormation answers with a new resource, or, of a secret, with a new value."""


@pytest.fixture(scope="module")
def before(package: Path, layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates of the commit before."""
    revision = previous.commit()
    if revision is None:
        pytest.skip("This checkout has no history.")
    return previous.synthesize(revision, package, layer, tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[str, Credentials]]:
    with emulated.running() as url_and_credentials:
        yield url_and_credentials


@pytest.fixture(scope="module")
def database(stack: dict[str, Any]) -> str:
    return emulated.new_database(stack, "updated")


@pytest.fixture(scope="module")
def updated(
    aws: tuple[str, Credentials], before: Path, dev: Template, assembly: Callable[[str], Path], database: str
) -> tuple[Cloud, dict[str, str]]:
    """The stack of the commit before, with an image in it, updated to today's template; and the physical ids that its
    resources with data had before."""
    cloud, old = Cloud(*aws), read(before, "dev")
    templates = [emulated.adapted(template.content, database) for template in (old, dev)]
    cloud.deploy(templates[0], before)
    ids = physical_ids(cloud, old)
    migrate(cloud, old)
    cloud.client("s3").put_object(Bucket=cloud.outputs["ImageBucket"], Key=KEY, Body=DATA)
    if templates[0] != templates[1]:  # else CloudFormation refuses: there is nothing to update
        cloud.update(templates[1], assembly("dev"))
    migrate(cloud, dev)
    return cloud, ids


def migrate(cloud: Cloud, template: Template) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=cloud.physical(template.function_id("migrate")), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


def physical_ids(cloud: Cloud, template: Template) -> dict[str, str]:
    return {
        name: cloud.physical(name)
        for name, one in template.resources.items()
        if one["Type"] in HOLDING_DATA and one["Type"] != "AWS::RDS::DBCluster"  # which the emulator does not get
    }


def test_an_update_keeps_every_resource_that_holds_data(updated: tuple[Cloud, dict[str, str]], dev: Template) -> None:
    cloud, ids = updated

    assert len(ids) > 20
    assert physical_ids(cloud, dev).items() >= ids.items()


def test_after_an_update_the_api_answers_and_an_image_stored_before_is_there(
    updated: tuple[Cloud, dict[str, str]], database: str
) -> None:
    cloud, _ = updated
    image_id = registered(database)

    answer = httpx.get(
        f"{cloud.api}/images/{image_id}", headers={"Authorization": f"Bearer {cloud.token('read')}"}, timeout=30
    )

    assert (answer.status_code, answer.json()["status"]) == (200, "present")
    assert httpx.get(answer.json()["url"]).content == DATA


def registered(database: str) -> int:
    """Returns the id of the image whose file was stored before the update."""
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO images (created_by, filename, content_type, size, object_key, status, metadata, attributes,"
            " uploaded_at) VALUES ('ann', 'a.jpg', 'image/jpeg', 4, %s, 'present', '{}', '{}', now()) RETURNING id",
            (KEY,),
        )
        image_id: int = cursor.fetchone()[0]
    return image_id


def test_no_template_replaces_a_resource_of_the_one_before(before: Path, dev: Template) -> None:
    """The database's cluster, too, which the emulator does not get."""
    old = read(before, "dev")
    for name, one in old.resources.items():
        if one["Type"] in HOLDING_DATA:
            assert dev.resources[name]["Type"] == one["Type"], name
            for fixed in FIXED.get(one["Type"], ()):
                today = dev.resources[name]["Properties"].get(fixed)
                assert today == one["Properties"].get(fixed), f"{fixed} of {name}"


def test_a_first_deployment_of_prod_that_fails_is_undone_and_can_be_repeated(
    aws: tuple[str, Credentials], first_prod: Template, first_assembly: Path, database: str
) -> None:
    cloud = Cloud(*aws, stack="tagged-image-manager-prod")
    template = emulated.adapted(first_prod.content, database)
    broken = copy.deepcopy(template)
    broken["Resources"]["Broken"] = {
        "Type": "AWS::Cognito::UserPoolGroup",
        "Properties": {"UserPoolId": "eu-central-1_NoSuchPool", "GroupName": "none"},
        "DependsOn": [name for name, one in template["Resources"].items() if one["Type"] in HOLDING_DATA],
    }
    before = names_in(cloud)

    status = cloud.create(broken, first_assembly)
    assert (status, names_in(cloud)) == ("ROLLBACK_COMPLETE", before)
    assert cloud.delete() == "DELETE_COMPLETE"  # as CDK does before it creates the stack again

    cloud.deploy(template, first_assembly)
    assert names_in(cloud) > before


def names_in(cloud: Cloud) -> set[str]:
    """Returns the names of buckets, tables, log groups and pools, without the bucket that templates are uploaded to."""
    buckets = [one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"] if one["Name"] != emulated.ASSETS]
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    pools = cloud.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    groups = [one["logGroupName"] for one in cloud.client("logs").describe_log_groups()["logGroups"]]
    return {*buckets, *tables, *groups, *(pool["Name"] + pool["Id"] for pool in pools)}


def test_a_stage_is_emptied_of_every_version_delete_marker_and_unfinished_upload(staging: Cloud) -> None:
    fill(staging)
    s3 = staging.client("s3")
    for bucket in BUCKETS:
        with pytest.raises(ClientError, match="BucketNotEmpty"):
            s3.delete_bucket(Bucket=bucket)

    done = empty_buckets(staging, "staging", typed="staging")

    assert done.returncode == 0, done.stderr
    for bucket in BUCKETS:
        left = s3.list_object_versions(Bucket=bucket) | s3.list_multipart_uploads(Bucket=bucket)
        assert {"Versions", "DeleteMarkers", "Uploads"}.isdisjoint(left)
        s3.delete_bucket(Bucket=bucket)


def test_writes_are_denied_in_a_bucket_that_is_emptied(staging: Cloud) -> None:
    """S3 delivers its access log hours later. What the policy said before stays, and a second run adds nothing."""
    for _ in range(2):
        assert empty_buckets(staging, "staging", typed="staging").returncode == 0

    for bucket in BUCKETS:
        policy = json.loads(staging.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        tls, denied = policy["Statement"]
        assert tls == TLS_ONLY
        assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
        assert denied["Action"] == ["s3:PutObject", "s3:DeleteObject"]
        assert denied["Resource"] == f"arn:aws:s3:::{bucket}/*"


def test_a_bucket_that_was_deleted_by_hand_is_skipped(staging: Cloud) -> None:
    staging.client("s3").delete_bucket(Bucket=BUCKETS[0])

    done = empty_buckets(staging, "staging", typed="staging")

    assert done.returncode == 0, done.stderr
    assert BUCKETS[0] not in done.stdout


def test_nothing_is_deleted_unless_the_name_of_the_stage_is_typed(staging: Cloud) -> None:
    fill(staging)

    done = empty_buckets(staging, "staging", typed="yes")

    assert (done.returncode, done.stderr) == (1, "Nothing was deleted.\n")
    assert len(staging.client("s3").list_object_versions(Bucket=BUCKETS[0])["Versions"]) == 3


def test_a_stage_that_is_kept_is_not_emptied(aws: tuple[str, Credentials]) -> None:
    done = empty_buckets(Cloud(*aws), "prod", typed="prod")

    assert done.returncode == 1
    assert "prod keeps its images" in done.stderr


@pytest.mark.parametrize(
    ("stage", "first", "words"),
    [
        (replace(PROD, name="staging"), True, "FIRST=yes is for a stage that does not exist"),
        (replace(PROD, name="staging"), False, None),
        (replace(PROD, name="never-deployed"), True, None),
        (replace(PROD, name="never-deployed"), False, "was never deployed. Deploy it with FIRST=yes"),
        (replace(DEV, name="never-deployed"), False, None),
    ],
)
def test_protection_is_left_out_of_a_first_deployment_alone(
    staging: Cloud, monkeypatch: pytest.MonkeyPatch, stage: Stage, first: bool, words: str | None
) -> None:
    for name, value in staging.environment.items():
        monkeypatch.setenv(name, value)

    refused = protection.refusal(boto3.Session(), stage, first=first)

    assert (refused is None) if words is None else (words in str(refused))


def test_a_bucket_that_the_stack_could_not_create_is_left_alone() -> None:
    failed = {"ResourceType": "AWS::S3::Bucket", "ResourceStatus": "CREATE_FAILED", "PhysicalResourceId": "another-s"}

    assert bucket_of(failed) is None
    assert bucket_of({"ResourceType": "AWS::S3::Bucket", "ResourceStatus": "CREATE_IN_PROGRESS"}) is None
    assert bucket_of(failed | {"ResourceStatus": "CREATE_COMPLETE"}) == "another-s"


BUCKETS = ("staging-images", "staging-log")
TLS_ONLY = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::*"} | {
    "Condition": {"Bool": {"aws:SecureTransport": "false"}}
}


@pytest.fixture
def staging(aws: tuple[str, Credentials]) -> Iterator[Cloud]:
    """A stack of two buckets with versions, as the template has them."""
    cloud = Cloud(*aws, stack="tagged-image-manager-staging")
    versions = {"VersioningConfiguration": {"Status": "Enabled"}}
    buckets = {
        f"Bucket{number}": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **versions}}
        for number, name in enumerate(BUCKETS)
    }
    client = cloud.client("cloudformation")
    client.create_stack(StackName=cloud.stack, TemplateBody=json.dumps({"Resources": buckets}))
    assert cloud.settled() == "CREATE_COMPLETE"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TLS_ONLY]})
    for bucket in BUCKETS:
        cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    yield cloud
    cloud.delete()


def fill(cloud: Cloud) -> None:
    """Two versions of one object, a delete marker over another, and half an upload."""
    s3 = cloud.client("s3")
    for bucket in BUCKETS:
        for body in (b"first", b"second"):
            s3.put_object(Bucket=bucket, Key="images/1", Body=body)
        s3.put_object(Bucket=bucket, Key="images/2", Body=b"x")
        s3.delete_object(Bucket=bucket, Key="images/2")
        s3.create_multipart_upload(Bucket=bucket, Key="images/3")


def empty_buckets(cloud: Cloud, stage: str, typed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infrastructure.empty_buckets", "--stage", stage]
    environment = os.environ | cloud.environment
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=f"{typed}\n", capture_output=True, text=True, check=False
    )
