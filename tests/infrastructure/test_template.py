"""What the templates promise. Where the emulator would not notice, this is what does (see emulated.DROPPED)."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.events import migration as migrating
from chalicelib.events import purge, reconciliation
from chalicelib.services import verification
from chalicelib.services.callers import ACCEPTED_SCOPES
from chalicelib.services.limits import MAX_VERIFIED_BYTES
from infrastructure import checks, resources, roles
from infrastructure.stages import STAGES
from local import provisioning
from tests.conftest import aws_client
from tests.infrastructure.conftest import synthesize
from tests.infrastructure.template import Template, listed

ASYNCHRONOUS = {"record_storage_event", "reconcile", "tidy", "purge"}

PERMISSIONS = {
    "app": {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListMultipartUploadParts",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "rds-db:connect",
    },
    "record_storage_event": {"s3:GetObject", "s3:ListBucket", "kms:Decrypt", "rds-db:connect", "sqs:SendMessage"},
    "reconcile": {"s3:GetObject", "s3:ListBucket", "kms:Decrypt", "rds-db:connect", "sqs:SendMessage"},
    "inspect": {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "rds-db:connect",
        "sqs:ReceiveMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    },
    "tidy": {"rds-db:connect"},
    "purge": {
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "kms:Decrypt",
        "rds-db:connect",
    },
    "migrate": {"rds-db:connect"},
}
"""Beside its log, its network interface, and the way to its dead letters."""

NAMES = ("BucketName", "TableName", "QueueName", "DBProxyName", "LogGroupName", "DashboardName", "AlarmName", "Domain")

RUNTIME = {"logs:CreateLogStream", "logs:PutLogEvents"}
NETWORK = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
DEAD_LETTERS = {"sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"}


def routes(template: Template) -> dict[str, Any]:
    body = template.one("AWS::ApiGateway::RestApi")["Body"]
    return {
        f"{method.upper()} {path}": described
        for path, methods in body["paths"].items()
        for method, described in methods.items()
    }


@pytest.mark.parametrize("stage", STAGES)
def test_no_checker_finds_what_is_not_accepted(stage: str, assembly: Callable[[str], Path]) -> None:
    """cdk-nag has looked at it already: the synthesis would have failed."""
    assert checks.complaints(assembly(stage) / f"tagged-image-manager-{stage}.template.json") == ""


def test_made_again_it_is_the_same_to_the_byte(
    assembly: Callable[[str], Path], package: Path, layer: Path, tmp_path: Path
) -> None:
    once, again = assembly("dev"), synthesize("dev", package, layer, tmp_path / "again", "--no-check")

    for name in ("tagged-image-manager-dev.template.json", "tagged-image-manager-dev.assets.json", "manifest.json"):
        assert (once / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("stage", STAGES)
def test_the_stages_have_the_same_parts_but_for_firewall_and_readers(
    stage: str, template_of: Callable[[str], Template], dev: Template
) -> None:
    other = template_of(stage)
    may_differ = {"AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation", "AWS::SNS::Subscription"}

    kinds = [
        {one["Type"] for one in template.resources.values()} - may_differ - {"AWS::CDK::Metadata"}
        for template in (dev, other)
    ]
    assert kinds[0] == kinds[1]


def test_every_method_takes_access_tokens_with_one_of_the_scopes(dev: Template) -> None:
    found = {name: one for name, one in routes(dev).items() if not name.startswith("OPTIONS ")}

    assert len(found) >= 20
    assert all(one["security"] == [{"users": ACCEPTED_SCOPES}] for one in found.values())


def test_the_authorizer_asks_the_pool_of_the_same_stack(dev: Template) -> None:
    definitions = dev.one("AWS::ApiGateway::RestApi")["Body"]["securityDefinitions"]
    (pool,) = dev.of_type("AWS::Cognito::UserPool")

    authorizer = definitions["users"]["x-amazon-apigateway-authorizer"]
    assert (authorizer["type"], authorizer["providerARNs"]) == (
        "cognito_user_pools",
        [{"Fn::GetAtt": [pool, "Arn"]}],
    )


def test_browsers_may_ask_first_on_every_path(dev: Template) -> None:
    paths = dev.one("AWS::ApiGateway::RestApi")["Body"]["paths"]

    for methods in paths.values():
        integration = methods["options"]["x-amazon-apigateway-integration"]
        told = integration["responses"]["default"]["responseParameters"]
        allowed = told["method.response.header.Access-Control-Allow-Methods"].strip("'").split(",")
        assert integration["type"] == "mock"
        assert {method.upper() for method in methods} == set(allowed)
        assert told["method.response.header.Access-Control-Allow-Origin"] == "'http://localhost:5173'"


def test_every_answer_of_the_gateway_itself_is_a_problem(dev: Template) -> None:
    answers = dev.one("AWS::ApiGateway::RestApi")["Body"]["x-amazon-apigateway-gateway-responses"]

    assert set(answers) == set(resources.GATEWAY_RESPONSES)
    assert {401, 403, 404, 413, 429, 500, 504} <= {int(one["statusCode"]) for one in answers.values()}
    for kind, one in answers.items():
        problem = json.loads(one["responseTemplates"]["application/json"])
        headers = {name.removeprefix("gatewayresponse.header."): is_ for name, is_ in one["responseParameters"].items()}
        assert set(problem) == {"type", "title", "status", "detail", "request_id"}, kind
        assert str(problem["status"]) == one["statusCode"], kind
        assert headers["Content-Type"] == "'application/problem+json'", kind
        assert headers["Cache-Control"] == "'no-store'", kind
        assert "Access-Control-Allow-Origin" in headers, kind
        assert ("WWW-Authenticate" in headers) == (one["statusCode"] == "401"), kind


@pytest.mark.parametrize("stage", STAGES)
def test_the_gateway_throttles_and_logs(stage: str, template_of: Callable[[str], Template]) -> None:
    deployed = template_of(stage).one("AWS::ApiGateway::Stage")

    (settings,) = deployed["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == STAGES[stage].requests_a_second
    assert settings["ThrottlingBurstLimit"] == STAGES[stage].burst
    assert deployed["StageName"] == resources.STAGE
    assert "$context.requestId" in deployed["AccessLogSetting"]["Format"]
    assert not settings.get("DataTraceEnabled", False)


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_function_may_do_what_it_needs_and_no_more(name: str, dev: Template) -> None:
    statements = dev.statements(name)
    actions = {action for one in statements for action in listed(one["Action"])}

    more = DEAD_LETTERS if name in ASYNCHRONOUS else set()
    assert actions == PERMISSIONS[name] | RUNTIME | NETWORK | more
    assert all(one["Effect"] == "Allow" for one in statements)


def test_only_the_purge_may_delete_objects(dev: Template) -> None:
    may = {name for name in PERMISSIONS if any("s3:Delete" in json.dumps(one) for one in dev.statements(name))}

    assert may == {"purge"}


def test_who_reads_whole_files_has_the_time_for_it(dev: Template) -> None:
    seconds = {name: one["Timeout"] for name, one in dev.functions().items()}
    longest = verification.seconds_to_read(MAX_VERIFIED_BYTES)

    assert longest < seconds["record_storage_event"]
    looking = 4 * reconciliation.SECONDS_A_STEP
    assert looking + longest < reconciliation.SECONDS_A_RUN < seconds["reconcile"]
    assert seconds["purge"] > purge.SECONDS_A_STEP * 4


def test_each_function_has_a_role_of_its_own(dev: Template) -> None:
    roles = [one["Role"]["Fn::GetAtt"][0] for one in dev.functions().values()]

    assert set(dev.functions()) == set(PERMISSIONS)
    assert len(set(roles)) == len(roles)
    assert not any("ManagedPolicyArns" in dev.resources[role]["Properties"] for role in roles)


def test_only_the_migration_signs_in_as_the_owner_of_the_schema(dev: Template) -> None:
    for name in PERMISSIONS:
        (connect,) = [one for one in dev.statements(name) if "rds-db:connect" in listed(one["Action"])]
        user = "migrator" if name == "migrate" else "service"
        url = json.dumps(dev.functions()[name]["Environment"]["Variables"]["DATABASE_URL"])
        assert f"/{user}" in json.dumps(connect["Resource"])
        assert f"//{user}@" in url
        assert "sslmode=verify-full&sslrootcert=/var/task/botocore/cacert.pem" in url


def test_the_proxy_signs_in_to_the_database_as_the_two_users_and_no_other(dev: Template) -> None:
    role = dev.one("AWS::RDS::DBProxy")["RoleArn"]["Fn::GetAtt"][0]
    (cluster,) = dev.of_type("AWS::RDS::DBCluster")
    policies = dev.of_type("AWS::IAM::Policy").values()

    (policy,) = [one for one in policies if {"Ref": role} in one["Roles"]]
    (statement,) = policy["PolicyDocument"]["Statement"]
    resources_named = [json.dumps(resource) for resource in statement["Resource"]]
    assert statement["Action"] == "rds-db:connect"
    assert len(resources_named) == len(roles.USERS)
    assert all(f'"Fn::GetAtt": ["{cluster}", "DBClusterResourceId"]' in one for one in resources_named)
    assert [one.rpartition("/")[2].partition('"')[0] for one in resources_named] == list(roles.USERS)


def test_the_stages_can_stand_side_by_side_in_one_account(template_of: Callable[[str], Template]) -> None:
    """What has a name that CloudFormation does not make up has the stage in it."""
    for stage in STAGES:
        all_properties = [one.get("Properties", {}) for one in template_of(stage).resources.values()]
        names = [properties[name] for properties in all_properties for name in NAMES if name in properties]
        chosen = [json.dumps(name) for name in names if isinstance(name, str) or "Ref" not in name]
        assert len(chosen) > 10
        assert [name for name in chosen if stage not in name] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_policy_allows_whatever_there_is(stage: str, template_of: Callable[[str], Template]) -> None:
    """A key's own policy alone begins with all of it for its account: without that nobody could ever change it."""
    template = template_of(stage)
    keys = set(template.of_type("AWS::KMS::Key"))

    for name, statement in template.all_statements():
        if statement["Effect"] == "Deny" or name in keys:
            continue
        actions = set(listed(statement["Action"]))
        assert not any(action.endswith(":*") or action == "*" for action in actions), name
        if "*" in listed(statement.get("Resource", [])):
            assert actions <= NETWORK, name


def test_nothing_is_public(prod: Template) -> None:
    buckets = prod.of_type("AWS::S3::Bucket")

    assert len(buckets) == 2
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert not prod.of_type("AWS::EC2::InternetGateway")
    assert not prod.of_type("AWS::EC2::NatGateway")
    assert not prod.of_type("AWS::Lambda::Url")
    for instance in prod.of_type("AWS::RDS::DBInstance").values():
        assert not instance.get("PubliclyAccessible", False)
    for rule in prod.of_type("AWS::EC2::SecurityGroupIngress").values():
        assert "CidrIp" not in rule
    for group in prod.of_type("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    for permission in prod.of_type("AWS::Lambda::Permission").values():
        assert permission["Principal"] in ("s3.amazonaws.com", "apigateway.amazonaws.com", "events.amazonaws.com")
        assert "SourceArn" in permission


def test_the_subnets_lead_nowhere_but_to_s3_dynamodb_and_the_queue(prod: Template) -> None:
    endpoints = prod.of_type("AWS::EC2::VPCEndpoint").values()
    kinds = {
        name: one["VpcEndpointType"]
        for one in endpoints
        for name in ("s3", "dynamodb", "sqs")
        if f".{name}" in json.dumps(one["ServiceName"])
    }
    (queues,) = [one for one in endpoints if one["VpcEndpointType"] == "Interface"]
    (group,) = [one["Fn::GetAtt"][0] for one in queues["SecurityGroupIds"]]
    rules = prod.of_type("AWS::EC2::SecurityGroupIngress").values()
    (rule,) = [one for one in rules if one["GroupId"] == {"Fn::GetAtt": [group, "GroupId"]}]

    assert not prod.of_type("AWS::EC2::Route")
    assert (len(endpoints), kinds) == (3, {"s3": "Gateway", "dynamodb": "Gateway", "sqs": "Interface"})
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    (statement,) = queues["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sqs:SendMessage"
    assert all(one["VpcConfig"]["SubnetIds"] for one in prod.functions().values())


def test_everything_at_rest_is_encrypted_by_the_one_key(prod: Template) -> None:
    (key,) = prod.of_type("AWS::KMS::Key")
    arn = {"Fn::GetAtt": [key, "Arn"]}

    (images,) = [one for one in prod.of_type("AWS::S3::Bucket").values() if "BucketName" in one]
    (rule,) = images["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    assert prod.one("AWS::DynamoDB::Table")["SSESpecification"]["KMSMasterKeyId"] == arn
    assert prod.one("AWS::RDS::DBCluster")["KmsKeyId"] == arn
    assert prod.one("AWS::RDS::DBCluster")["StorageEncrypted"] is True
    assert all(one["KmsKeyId"] == arn for one in prod.of_type("AWS::Logs::LogGroup").values())
    assert all(one["KmsMasterKeyId"] == arn for one in prod.of_type("AWS::SQS::Queue").values())
    assert all(one["KmsKeyArn"] == arn for one in prod.functions().values())
    assert prod.one("AWS::SNS::Topic")["KmsMasterKeyId"] in (arn, {"Ref": key})
    assert prod.resources[key]["Properties"]["EnableKeyRotation"] is True


def test_buckets_and_queues_are_spoken_to_over_tls_only(prod: Template) -> None:
    refused = {
        name
        for name, statement in prod.all_statements()
        if statement["Effect"] == "Deny" and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    }

    policies = {"AWS::S3::BucketPolicy": 2, "AWS::SQS::QueuePolicy": 6, "AWS::SNS::TopicPolicy": 1}
    for kind, count in policies.items():
        assert len(prod.of_type(kind)) == count
        assert set(prod.of_type(kind)) <= refused
    assert prod.one("AWS::RDS::DBProxy")["RequireTLS"] is True
    assert prod.one("AWS::RDS::DBClusterParameterGroup")["Parameters"]["rds.force_ssl"] == "1"


def test_every_asynchronous_function_ends_in_a_queue_that_has_an_alarm(dev: Template) -> None:
    alarms = dev.of_type("AWS::CloudWatch::Alarm").values()
    watched = [
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    ]
    mapping = dev.one("AWS::Lambda::EventSourceMapping")
    queue = mapping["EventSourceArn"]["Fn::GetAtt"][0]
    redrive = dev.resources[queue]["Properties"]["RedrivePolicy"]
    ends = {"inspect": redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]} | {
        name: function["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"][0]
        for name, function in dev.functions().items()
        if "DeadLetterConfig" in function
    }

    assert set(ends) == ASYNCHRONOUS | {"inspect"}
    assert sorted([*ends.values(), queue]) == sorted(watched)
    assert {*ends.values(), queue} == set(dev.of_type("AWS::SQS::Queue"))
    assert redrive["maxReceiveCount"] == resources.INSPECTION_TRIES
    for name in ASYNCHRONOUS:
        (config,) = [
            one
            for one in dev.of_type("AWS::Lambda::EventInvokeConfig").values()
            if one["FunctionName"] == {"Ref": dev.function_id(name)}
        ]
        assert config["MaximumRetryAttempts"] == resources.STORAGE_EVENT_TRIES - 1


def test_an_inspection_that_waits_long_or_failed_wakes_someone_who_is_told_how_to_go_on(dev: Template) -> None:
    alarms = {one["AlarmName"].rpartition("-")[2]: one for one in dev.of_type("AWS::CloudWatch::Alarm").values()}

    waiting = alarms["InspectionsWaitLong"]
    assert (waiting["MetricName"], waiting["Threshold"]) == ("ApproximateAgeOfOldestMessage", 15 * 60)
    assert "redrive" in alarms["DeadLettersOfInspect"]["AlarmDescription"]
    assert "invoke" not in alarms["DeadLettersOfInspect"]["AlarmDescription"]


def test_every_alarm_says_what_to_do_and_reaches_someone(prod: Template) -> None:
    alarms = prod.of_type("AWS::CloudWatch::Alarm").values()
    (topic,) = prod.of_type("AWS::SNS::Topic")

    assert len(alarms) >= 10
    assert all(len(alarm["AlarmDescription"]) > 60 for alarm in alarms)
    assert all(alarm["AlarmActions"] == [{"Ref": topic}] for alarm in alarms)


def test_storage_events_wake_the_function_that_takes_them_by_its_alias(dev: Template) -> None:
    bucket_id, bucket = next((key, one) for key, one in dev.of_type("AWS::S3::Bucket").items() if "BucketName" in one)
    alias = {"Ref": dev.alias_of("record_storage_event")}
    (permission_id,) = [
        key for key, one in dev.of_type("AWS::Lambda::Permission").items() if one["Principal"] == "s3.amazonaws.com"
    ]
    permission = dev.resources[permission_id]["Properties"]

    told = bucket["NotificationConfiguration"]["LambdaConfigurations"]
    assert {one["Event"] for one in told} == set(resources.STORAGE_EVENTS)
    assert all(one["Function"] == alias for one in told)
    prefix = {"Name": "prefix", "Value": resources.STORED_IMAGES}
    assert all(one["Filter"]["S3Key"]["Rules"] == [prefix] for one in told)
    assert permission["FunctionName"] == alias
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert permission_id in listed(dev.resources[bucket_id]["DependsOn"])


def test_files_are_inspected_one_by_one_with_libraries_and_memory_of_their_own(dev: Template) -> None:
    (layer,) = dev.of_type("AWS::Lambda::LayerVersion")
    mapping = dev.one("AWS::Lambda::EventSourceMapping")
    queue = dev.resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    functions = dev.functions()

    assert [name for name, one in functions.items() if one.get("Layers") == [{"Ref": layer}]] == ["inspect"]
    assert not any("Layers" in one for name, one in functions.items() if name != "inspect")
    assert functions["inspect"]["MemorySize"] == 2048
    name, version = mapping["FunctionName"]["Fn::Join"][1]
    assert name["Fn::Select"][1]["Fn::Split"][1] == {"Ref": dev.alias_of("inspect")}
    assert version == ":live"
    assert mapping["BatchSize"] == 1
    assert queue["VisibilityTimeout"] >= 6 * functions["inspect"]["Timeout"]


def test_only_the_inspection_has_the_key_to_the_identifiers(prod: Template) -> None:
    (secret,) = prod.of_type("AWS::SecretsManager::Secret")
    variables = {name: one["Environment"]["Variables"] for name, one in prod.functions().items()}
    (key,) = prod.of_type("AWS::KMS::Key")

    assert [name for name, given in variables.items() if "IDENTIFIER_KEY" in given] == ["inspect"]
    assert {"Ref": secret} in variables["inspect"]["IDENTIFIER_KEY"]["Fn::Join"][1]
    assert prod.resources[secret]["Properties"]["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert prod.resources[secret]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_the_clock_wakes_the_functions_at_the_times_of_the_app(dev: Template) -> None:
    rules = {
        rule["Targets"][0]["Arn"]["Ref"]: rule["ScheduleExpression"]
        for rule in dev.of_type("AWS::Events::Rule").values()
    }

    assert rules == {
        dev.alias_of("reconcile"): "rate(5 minutes)",
        dev.alias_of("tidy"): "rate(1 minute)",
        dev.alias_of("purge"): "rate(10 minutes)",
    }


def test_new_code_takes_traffic_only_when_the_database_is_migrated(dev: Template) -> None:
    (migration,) = dev.of_type("Custom::Trigger")
    (users,) = dev.of_type("Custom::AWS")
    waits_for_users = dev.resources[migration]["DependsOn"]

    for name in set(PERMISSIONS) - {"migrate"}:
        assert migration in dev.resources[dev.alias_of(name)]["DependsOn"], name
    assert users in waits_for_users
    integration = routes(dev)["GET /images"]["x-amazon-apigateway-integration"]
    assert {"Ref": dev.alias_of("app")} in integration["uri"]["Fn::Join"][1]


def test_more_than_half_of_the_functions_time_is_left_to_the_migration_when_it_has_waited(dev: Template) -> None:
    assert dev.functions()["migrate"]["Timeout"] > 2 * migrating.CONNECT_SECONDS


def test_versions_stay_to_go_back_to(dev: Template) -> None:
    versions = [one for one in dev.resources.values() if one["Type"] == "AWS::Lambda::Version"]

    assert len(versions) == len(PERMISSIONS)
    assert all(one["DeletionPolicy"] == "RetainExceptOnCreate" for one in versions)


def test_what_prod_keeps_cannot_be_deleted_by_mistake(prod: Template) -> None:
    cluster, table = prod.one("AWS::RDS::DBCluster"), prod.one("AWS::DynamoDB::Table")

    assert cluster["DeletionProtection"] is True
    assert cluster["BackupRetentionPeriod"] == 35
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert prod.one("AWS::Cognito::UserPool")["DeletionProtection"] == "ACTIVE"
    for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Cognito::UserPool"):
        for one in prod.resources.values():
            assert one["Type"] != kind or one["DeletionPolicy"] == "RetainExceptOnCreate"


@pytest.mark.parametrize(("stage", "days"), [("dev", 1), ("staging", 7), ("prod", 35)])
def test_backups_reach_back_as_far_as_documented(stage: str, days: int, template_of: Callable[[str], Template]) -> None:
    template = template_of(stage)

    assert template.one("AWS::RDS::DBCluster")["BackupRetentionPeriod"] == days
    recovery = template.one("AWS::DynamoDB::Table")["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True}


def test_access_tokens_last_an_hour(dev: Template) -> None:
    for client in dev.of_type("AWS::Cognito::UserPoolClient").values():
        assert (client["AccessTokenValidity"], client["TokenValidityUnits"]["AccessToken"]) == (60, "minutes")


def test_the_database_is_serverless_signs_in_by_iam_and_has_a_reader_where_asked(dev: Template, prod: Template) -> None:
    cluster, proxy = prod.one("AWS::RDS::DBCluster"), prod.one("AWS::RDS::DBProxy")

    assert cluster["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 1, "MaxCapacity": 32}
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert cluster["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in cluster
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert (len(dev.of_type("AWS::RDS::DBInstance")), len(prod.of_type("AWS::RDS::DBInstance"))) == (1, 2)


def test_unfinished_uploads_and_old_versions_are_swept_away(dev: Template) -> None:
    (images,) = [one for one in dev.of_type("AWS::S3::Bucket").values() if "BucketName" in one]
    (rule,) = images["LifecycleConfiguration"]["Rules"]

    assert images["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 30}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert "LoggingConfiguration" in images


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_storages_own_log_which_names_files_is_kept_for_seven_days_and_read_by_no_function(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    template = template_of(stage)
    (name, log), *others = [item for item in template.of_type("AWS::S3::Bucket").items() if "BucketName" not in item[1]]
    (rule,) = log["LifecycleConfiguration"]["Rules"]

    assert others == []
    assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]) == (7, {"NoncurrentDays": 1})
    assert {"Key": "holds", "Value": "patient-data"} in log["Tags"]
    assert set(log["PublicAccessBlockConfiguration"].values()) == {True}
    assert not [one for function in template.functions() for one in template.statements(function) if name in str(one)]


def test_snapshots_are_for_the_api_function_where_the_stage_wants_them(dev: Template, prod: Template) -> None:
    kept = {name: one.get("SnapStart") for name, one in prod.functions().items()}

    assert kept == dict.fromkeys(PERMISSIONS) | {"app": {"ApplyOn": "PublishedVersions"}}
    assert not any("SnapStart" in one for one in dev.functions().values())


def test_every_log_ends_some_day(prod: Template) -> None:
    groups = prod.of_type("AWS::Logs::LogGroup").values()

    assert all(group["RetentionInDays"] == 365 for group in groups)
    assert {function["LoggingConfig"]["LogGroup"]["Ref"] for function in prod.functions().values()} <= set(
        prod.of_type("AWS::Logs::LogGroup")
    )


def test_the_browsers_client_has_no_secret_and_those_of_machines_have(dev: Template) -> None:
    clients = list(dev.of_type("AWS::Cognito::UserPoolClient").values())
    (browser,) = [one for one in clients if not one["GenerateSecret"]]
    machines = [one for one in clients if one["GenerateSecret"]]

    assert browser["AllowedOAuthFlows"] == ["code"]
    assert [one["AllowedOAuthFlows"] for one in machines] == [["client_credentials"]] * 3
    assert dev.one("AWS::Cognito::UserPool")["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


def test_the_first_client_of_machines_keeps_its_id_and_output_and_has_the_permission_write(dev: Template) -> None:
    """Under another logical id CloudFormation would make a new client, and delete the old one with its secret."""
    (first,) = [
        name for name in dev.of_type("AWS::Cognito::UserPoolClient") if re.fullmatch("UsersMachine[0-9A-F]{8}", name)
    ]
    outputs = dev.content["Outputs"]

    scopes = json.dumps(dev.resources[first]["Properties"]["AllowedOAuthScopes"])
    assert ("/write" in scopes, "/admin" in scopes) == (True, False)
    assert outputs["MachineClientId"]["Value"] == outputs["MachineWriteClientId"]["Value"] == {"Ref": first}


@pytest.fixture(scope="module")
def local(stack: dict[str, Any]) -> Callable[[str], Any]:
    """Clients of the emulator that `make serve` has provisioned."""
    return partial(aws_client, stack)


def test_the_local_bucket_has_the_cors_and_the_events_of_the_deployed_one(dev: Template, local: Any) -> None:
    (images,) = [one for one in dev.of_type("AWS::S3::Bucket").values() if "BucketName" in one]
    (deployed,) = images["CorsConfiguration"]["CorsRules"]
    (here,) = local("s3").get_bucket_cors(Bucket=provisioning.BUCKET)["CORSRules"]
    told = local("s3").get_bucket_notification_configuration(Bucket=provisioning.BUCKET)

    assert here["AllowedMethods"] == deployed["AllowedMethods"]
    assert here["AllowedHeaders"] == deployed["AllowedHeaders"]
    assert here["ExposeHeaders"] == deployed["ExposedHeaders"]
    assert here["MaxAgeSeconds"] == deployed["MaxAge"]
    events = {one["Event"] for one in images["NotificationConfiguration"]["LambdaConfigurations"]}
    assert set(told["QueueConfigurations"][0]["Events"]) == events
    (rule,) = told["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"]
    assert (rule["Name"].lower(), rule["Value"]) == ("prefix", resources.STORED_IMAGES)


def test_the_local_table_has_the_keys_the_indexes_and_the_end_of_the_deployed_one(dev: Template, local: Any) -> None:
    deployed = dev.one("AWS::DynamoDB::Table")
    here = local("dynamodb").describe_table(TableName=provisioning.ACCESS_LOG_TABLE)["Table"]
    end = local("dynamodb").describe_time_to_live(TableName=provisioning.ACCESS_LOG_TABLE)["TimeToLiveDescription"]

    def by_name(definitions: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return sorted((one["AttributeName"], one["AttributeType"]) for one in definitions)

    def indexes(table: dict[str, Any]) -> dict[str, Any]:
        return {one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in table["GlobalSecondaryIndexes"]}

    assert here["KeySchema"] == deployed["KeySchema"]
    assert by_name(here["AttributeDefinitions"]) == by_name(deployed["AttributeDefinitions"])
    assert indexes(here) == indexes(deployed)
    assert deployed["TimeToLiveSpecification"] == {"AttributeName": end["AttributeName"], "Enabled": True}


def scopes_of_machines(clients: list[dict[str, Any]]) -> list[list[str]]:
    """The last segments: in the template, the name of the server before them is a reference."""
    machines = [one for one in clients if one.get("AllowedOAuthFlows") == ["client_credentials"]]
    scopes = [map(json.dumps, one["AllowedOAuthScopes"]) for one in machines]
    return sorted([[scope.rpartition("/")[2].strip('"]}') for scope in each] for each in scopes], key=len)


def test_the_local_pool_has_the_groups_scopes_and_machine_clients_of_the_deployed_one(
    dev: Template, local: Any, stack: dict[str, Any]
) -> None:
    cognito, pool = local("cognito-idp"), stack["user_pool_id"]
    deployed = dev.one("AWS::Cognito::UserPoolResourceServer")
    here = cognito.describe_resource_server(UserPoolId=pool, Identifier=deployed["Identifier"])["ResourceServer"]
    groups = {group["GroupName"] for group in cognito.list_groups(UserPoolId=pool)["Groups"]}

    clients = cognito.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
    described = [
        cognito.describe_user_pool_client(UserPoolId=pool, ClientId=one["ClientId"])["UserPoolClient"]
        for one in clients
    ]

    assert here["Scopes"] == deployed["Scopes"]
    assert scopes_of_machines(described) == scopes_of_machines(
        list(dev.of_type("AWS::Cognito::UserPoolClient").values())
    )
    assert groups == {one["GroupName"] for one in dev.of_type("AWS::Cognito::UserPoolGroup").values()}
