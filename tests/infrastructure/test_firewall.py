"""Limits of requests before the API, and what the logs around the service leave out."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infrastructure import addresses, resources
from infrastructure.__main__ import PLACEHOLDERS
from infrastructure.stages import STAGES
from tests.conftest import ROOT
from tests.infrastructure.template import Template

WITH_FIREWALL = [name for name, stage in STAGES.items() if stage.firewall]


def rules(template: Template) -> dict[str, Any]:
    """Those that count, by what they count by."""
    found = template.one("AWS::WAFv2::WebACL")["Rules"]
    rates = [rule for rule in found if "RateBasedStatement" in rule["Statement"]]
    return {rule["Statement"]["RateBasedStatement"]["AggregateKeyType"]: rule for rule in rates}


@pytest.mark.parametrize("stage", WITH_FIREWALL)
def test_one_token_may_ask_as_often_as_the_local_gateway_lets_one_caller(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    counted = rules(template_of(stage))["CUSTOM_KEYS"]["Statement"]["RateBasedStatement"]

    assert [key["Header"]["Name"] for key in counted["CustomKeys"]] == ["authorization"]
    assert (counted["Limit"], counted["EvaluationWindowSec"]) == (resources.REQUESTS_PER_CALLER, resources.RATE_SECONDS)


@pytest.mark.parametrize("stage", WITH_FIREWALL)
def test_callers_with_tokens_are_not_counted_by_the_address_that_they_may_share(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    counted = rules(template_of(stage))["IP"]["Statement"]["RateBasedStatement"]

    present = counted["ScopeDownStatement"]["NotStatement"]["Statement"]["SizeConstraintStatement"]
    assert counted["Limit"] == 10_000
    assert present["FieldToMatch"] == {"SingleHeader": {"Name": "authorization"}}
    assert (present["ComparisonOperator"], present["Size"]) == ("GE", 0)


@pytest.mark.parametrize("stage", WITH_FIREWALL)
def test_what_the_contract_takes_the_rules_of_aws_do_not_stop(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    groups = [
        rule["Statement"]["ManagedRuleGroupStatement"]
        for rule in template_of(stage).one("AWS::WAFv2::WebACL")["Rules"]
        if "ManagedRuleGroupStatement" in rule["Statement"]
    ]
    overridden = [override for group in groups for override in group["RuleActionOverrides"]]

    assert all(override["ActionToUse"] == {"Count": {}} for override in overridden)
    counted = {override["Name"] for override in overridden}
    assert {"NoUserAgent_HEADER", "SizeRestrictions_QUERYSTRING", "SizeRestrictions_URIPATH"} <= counted
    for part in ("BODY", "URIPATH"):
        for attack in ("CrossSiteScripting", "GenericLFI", "GenericRFI", "EC2MetaDataSSRF", "Log4JRCE"):
            assert f"{attack}_{part}" in counted


@pytest.mark.parametrize("stage", WITH_FIREWALL)
@pytest.mark.parametrize("key", ["IP", "CUSTOM_KEYS"])
def test_who_asks_too_often_is_told_so_and_when_to_come_again(
    stage: str, key: str, template_of: Callable[[str], Template]
) -> None:
    template = template_of(stage)

    counted = rules(template)[key]["Statement"]["RateBasedStatement"]
    answer = rules(template)[key]["Action"]["Block"]["CustomResponse"]

    body = template.one("AWS::WAFv2::WebACL")["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
    assert answer["ResponseCode"] == json.loads(body["Content"])["status"] == 429
    assert re.fullmatch("https://.+[/#]too-many-requests", json.loads(body["Content"])["type"])
    headers = {header["Name"]: header["Value"] for header in answer["ResponseHeaders"]}
    assert headers["Retry-After"] == str(counted["EvaluationWindowSec"])
    assert headers["Cache-Control"] == "no-store"
    assert headers["Access-Control-Allow-Origin"] == addresses.of(STAGES[stage], PLACEHOLDERS).origins[0]
    assert "Retry-After" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("stage", WITH_FIREWALL)
@pytest.mark.parametrize("key", ["IP", "CUSTOM_KEYS"])
def test_the_firewalls_own_answer_is_the_gateways_problem_but_for_what_the_firewall_does_not_know(
    stage: str, key: str, template_of: Callable[[str], Template]
) -> None:
    """It has no request id, and of the types that AWS offers it the nearest is application/json."""
    template = template_of(stage)
    answer = rules(template)[key]["Action"]["Block"]["CustomResponse"]
    body = template.one("AWS::WAFv2::WebACL")["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
    gateways = problem_of(template, "THROTTLED")

    assert body["ContentType"] == "APPLICATION_JSON"
    assert json.loads(body["Content"]) == {name: gateways[name] for name in ("type", "title", "status", "detail")}
    assert {header["Name"].lower() for header in answer["ResponseHeaders"]}.isdisjoint({"content-type", "x-request-id"})


@pytest.mark.parametrize("stage", WITH_FIREWALL)
def test_what_the_rules_of_aws_stop_the_gateway_answers_with_a_whole_problem(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    template = template_of(stage)
    managed = [
        rule for rule in template.one("AWS::WAFv2::WebACL")["Rules"] if "ManagedRuleGroupStatement" in rule["Statement"]
    ]

    assert [rule["OverrideAction"] for rule in managed] == [
        {"None": {}}
    ] * 2  # so they block, without an answer of ours
    assert set(problem_of(template, "WAF_FILTERED")) == {"type", "title", "status", "detail", "request_id"}
    assert problem_of(template, "WAF_FILTERED")["status"] == 403


@pytest.mark.parametrize("stage", WITH_FIREWALL)
def test_the_firewall_keeps_no_samples_of_requests_which_hold_tokens_and_searches(
    stage: str, template_of: Callable[[str], Template]
) -> None:
    acl = template_of(stage).one("AWS::WAFv2::WebACL")
    seen = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]

    assert len(seen) == 5
    assert [each["SampledRequestsEnabled"] for each in seen] == [False] * 5


def problem_of(template: Template, kind: str) -> dict[str, Any]:
    answers = template.one("AWS::ApiGateway::RestApi")["Body"]["x-amazon-apigateway-gateway-responses"]
    problem: dict[str, Any] = json.loads(answers[kind]["responseTemplates"]["application/json"])
    return problem


def test_the_guide_says_how_long_the_firewall_asks_callers_to_wait() -> None:
    guide = (ROOT / "design-docs" / "guides" / "authenticating.md").read_text()

    assert f"{resources.REQUESTS_PER_CALLER:,} requests may be made in any five minutes" in guide
    assert f"says {resources.RATE_SECONDS}, the whole five minutes" in guide


def test_the_gateway_logs_the_route_and_never_the_path(dev: Template) -> None:
    logged = json.loads(dev.one("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    assert logged["route"] == "$context.resourcePath"
    assert "$context.path" not in logged.values()


def test_the_gateway_does_not_log_messages_of_errors_which_may_hold_the_header_with_the_token(dev: Template) -> None:
    logged = json.loads(dev.one("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    assert [value for value in logged.values() if "error.message" in value] == []
    assert logged["error_type"] == "$context.error.responseType"


def test_the_database_logs_no_values_of_statements_that_fail(dev: Template) -> None:
    set_to = dev.one("AWS::RDS::DBClusterParameterGroup")["Parameters"]

    assert (set_to["log_min_error_statement"], set_to["log_error_verbosity"]) == ("panic", "terse")
    assert set_to["log_min_messages"] == "log"
    assert set_to["log_min_duration_statement"] == "-1"
