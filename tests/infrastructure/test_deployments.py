"""What the templates promise of deployments one after the other, and of stages side by side."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infrastructure import addresses
from infrastructure.__main__ import PLACEHOLDERS
from infrastructure.stages import STAGES
from tests.conftest import ROOT
from tests.infrastructure.template import HOLDING_DATA, Template, listed
from tests.infrastructure.test_template import PERMISSIONS


def version_of(template: Template, function: str) -> str:
    """The logical id: with another, another version is published."""
    (version,) = [
        name
        for name, one in template.of_type("AWS::Lambda::Version").items()
        if one["FunctionName"] == {"Ref": template.function_id(function)}
    ]
    return version


def test_a_change_of_the_layer_alone_publishes_a_version_of_inspect_and_of_no_other_function(
    prod: Template, first_prod: Template
) -> None:
    layers = [template.one("AWS::Lambda::LayerVersion")["Content"] for template in (prod, first_prod)]
    published = {name for name in PERMISSIONS if version_of(prod, name) != version_of(first_prod, name)}

    assert layers[0] != layers[1]
    assert published == {"inspect"}


OF_THE_ACCOUNT = ("GatewayCloudWatchRole", "GatewayAccount")
"""The role by which API Gateway writes logs for all APIs of the account and region, those of other stages included."""


def test_what_is_kept_is_not_kept_when_its_creation_is_undone(prod: Template) -> None:
    """Else a bucket or a log group of a deployment that failed would have the name that the next one needs."""
    policies = {
        name: (one["DeletionPolicy"], one["UpdateReplacePolicy"])
        for name, one in prod.resources.items()
        if "DeletionPolicy" in one and not name.startswith(OF_THE_ACCOUNT)
    }

    assert "Retain" not in {deletion for deletion, _ in policies.values()}
    kept = {
        prod.resources[name]["Type"] for name, pair in policies.items() if pair == ("RetainExceptOnCreate", "Retain")
    }
    assert kept >= {
        *("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Cognito::UserPool", "AWS::Logs::LogGroup"),
        *("AWS::SecretsManager::Secret", "AWS::Lambda::Version", "AWS::Lambda::LayerVersion"),
    }
    (cluster,) = prod.of_type("AWS::RDS::DBCluster")
    assert policies[cluster] == ("Snapshot", "Snapshot")


def protections(template: Template) -> list[bool]:
    return [
        template.one("AWS::RDS::DBCluster").get("DeletionProtection", False),
        template.one("AWS::DynamoDB::Table").get("DeletionProtectionEnabled", False),
        template.one("AWS::Cognito::UserPool").get("DeletionProtection") == "ACTIVE",
    ]


def is_protected(assembly: Path) -> bool:
    (stack,) = [
        one
        for one in json.loads((assembly / "manifest.json").read_text())["artifacts"].values()
        if one["type"] == "aws:cloudformation:stack"
    ]
    return bool(stack["properties"].get("terminationProtection", False))


def test_the_first_deployment_of_prod_has_nothing_that_refuses_to_be_deleted_and_the_others_have(
    prod: Template, first_prod: Template, assembly: Callable[[str], Path], first_assembly: Path
) -> None:
    (cluster,) = first_prod.of_type("AWS::RDS::DBCluster")

    assert (protections(first_prod), is_protected(first_assembly)) == ([False] * 3, False)
    assert first_prod.resources[cluster]["DeletionPolicy"] == "Delete"
    assert (protections(prod), is_protected(assembly("prod"))) == ([True] * 3, True)


def test_the_second_deployment_of_prod_replaces_nothing(prod: Template, first_prod: Template) -> None:
    """But for the version of `inspect`, since the fixture has another layer."""
    assert first_prod.resources.keys() - prod.resources.keys() == {version_of(first_prod, "inspect")}


RELEASED: dict[str, str] = json.loads((Path(__file__).parent / "released_resources.json").read_text())
"""Resources that hold data by the ids under which they were released, with their types."""


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_holds_data_keeps_the_ids_under_which_it_was_released(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    """With another id CloudFormation would create another resource, and delete or abandon the one with the data."""
    today = {name: one["Type"] for name, one in template_of(stage).resources.items() if one["Type"] in HOLDING_DATA}

    assert today == RELEASED, "Released ids stay; write new resources into released_resources.json."


def test_dev_and_staging_leave_nothing_behind_that_holds_data(template_of: Callable[[str], Template]) -> None:
    for stage in ("dev", "staging"):
        resources = template_of(stage).resources
        kept = {
            one["Type"]
            for name, one in resources.items()
            if one.get("DeletionPolicy", "Delete") != "Delete" and not name.startswith(OF_THE_ACCOUNT)
        }
        assert kept == {"AWS::Lambda::Version"}  # which goes with its function


def test_functions_are_deleted_before_what_their_network_interfaces_need(prod: Template) -> None:
    """Lambda deletes the interfaces in the name of the role, and the group and subnets cannot go before."""
    for name in PERMISSIONS:
        function = prod.resources[prod.function_id(name)]
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        allowed = [
            policy
            for policy, one in prod.of_type("AWS::IAM::Policy").items()
            if {"Ref": role} in one["Roles"] and "ec2:DeleteNetworkInterface" in json.dumps(one)
        ]
        assert len(allowed) == 1
        assert {role, *allowed} <= set(listed(function["DependsOn"]))


@pytest.mark.parametrize("stage", STAGES)
def test_functions_gateway_and_firewall_have_the_one_base_of_problem_types(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    template = template_of(stage)
    base = addresses.of(STAGES[stage], PLACEHOLDERS).problem_type_base
    answers = template.one("AWS::ApiGateway::RestApi")["Body"]["x-amazon-apigateway-gateway-responses"]
    problems = [json.loads(one["responseTemplates"]["application/json"]) for one in answers.values()]
    for acl in template.of_type("AWS::WAFv2::WebACL").values():
        problems += [json.loads(one["Content"]) for one in acl["CustomResponseBodies"].values()]

    assert {problem["type"].rpartition("/" if base.endswith("/") else "#")[0] + base[-1] for problem in problems} == {
        base
    }
    variables = [one["Environment"]["Variables"] for one in template.functions().values()]
    assert {given["PROBLEM_TYPE_BASE"] for given in variables} == {base}


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_alarms_and_sites_are_those_of_the_operator(stage: str, template_of: Callable[[str], Template]) -> None:
    template, given = template_of(stage), addresses.of(STAGES[stage], PLACEHOLDERS)

    assert template.one("AWS::SNS::Subscription")["Endpoint"] == given.alarm_email
    (browser,) = [one for one in template.of_type("AWS::Cognito::UserPoolClient").values() if not one["GenerateSecret"]]
    assert browser["CallbackURLs"] == list(given.callbacks)
    assert "example.org" not in json.dumps(template.content)


def test_the_key_serves_the_services_of_this_account_only(prod: Template) -> None:
    """But for EventBridge: what it asks of KMS when it delivers to a queue names no account."""
    (key,) = prod.of_type("AWS::KMS::Key").values()
    services: dict[str, Any] = {}
    for statement in key["KeyPolicy"]["Statement"]:
        for service in listed(statement["Principal"].get("Service", [])):
            services[json.dumps(service)] = json.dumps(statement.get("Condition", {}))

    assert services.pop('"events.amazonaws.com"') == "{}"
    assert len(services) == 2
    assert all('{"Ref": "AWS::AccountId"}' in condition for condition in services.values())


def test_an_alarm_may_publish_to_the_topic_and_use_its_key(prod: Template) -> None:
    """A policy of the topic's own takes the place of the one that lets in the account."""
    (policy,) = prod.of_type("AWS::SNS::TopicPolicy").values()
    allowed = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    (key,) = prod.of_type("AWS::KMS::Key").values()
    uses = [one for one in key["KeyPolicy"]["Statement"] if "cloudwatch.amazonaws.com" in json.dumps(one["Principal"])]

    assert [one["Principal"] for one in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert [one["Action"] for one in allowed] == ["sns:Publish"]
    assert [one["Condition"] for one in (*allowed, *uses)] == [
        {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ] * 2


def test_log_groups_that_aws_creates_by_itself_end_some_day_too(prod: Template) -> None:
    calls = [json.dumps(one["Create"]) for one in prod.of_type("Custom::LogRetention").values()]
    (cluster,) = prod.of_type("AWS::RDS::DBCluster")
    (api,) = prod.of_type("AWS::ApiGateway::RestApi")
    (proxy,) = prod.of_type("AWS::RDS::DBProxy")
    (trigger,) = [name for name in prod.of_type("AWS::Lambda::Function") if name.startswith("AWSCDKTrigger")]

    for names in (
        ("/aws/rds/cluster/", cluster),
        ("/aws/rds/proxy/", proxy),
        ("API-Gateway-Execution-Logs_", api),
        ("/aws/lambda/", trigger),
    ):
        mine = [call for call in calls if all(name in call for name in names)]
        assert [action for call in mine for action in re.findall("createLogGroup|putRetentionPolicy", call)] == [
            "createLogGroup",
            "putRetentionPolicy",
        ]
        assert '\\"retentionInDays\\":365' in mine[1]
        assert "ResourceAlreadyExistsException" in mine[0]


def test_runs_of_schedules_do_not_queue_for_hours(prod: Template) -> None:
    """A run that waits does what the next one does."""
    waits = {
        one["FunctionName"]["Ref"]: one["MaximumEventAgeInSeconds"]
        for one in prod.of_type("AWS::Lambda::EventInvokeConfig").values()
    }

    assert {name: waits[prod.function_id(name)] for name in ("reconcile", "tidy", "purge")} == {
        "reconcile": 300,
        "tidy": 300,
        "purge": 300,
    }
    assert waits[prod.function_id("record_storage_event")] == 6 * 3600
    for rule in prod.of_type("AWS::Events::Rule").values():
        assert rule["Targets"][0]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 300


def test_no_run_of_a_schedule_finds_all_its_functions_busy(prod: Template) -> None:
    rules = {
        rule["Targets"][0]["Arn"]["Ref"]: rule["ScheduleExpression"]
        for rule in prod.of_type("AWS::Events::Rule").values()
    }
    for name in ("reconcile", "tidy", "purge"):
        minutes = int(re.findall(r"rate\((\d+) minute", rules[prod.alias_of(name)])[0])
        function = prod.functions()[name]
        assert function["Timeout"] <= 60 * minutes * function["ReservedConcurrentExecutions"], name


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_the_page_on_deployment_has_the_concurrency_that_an_account_needs(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    reserved = sum(one["ReservedConcurrentExecutions"] for one in template_of(stage).functions().values())
    page = (ROOT / "design-docs" / "deployment.md").read_text()

    assert f"{reserved} for {stage}" in page
