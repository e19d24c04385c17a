"""Limits of requests before the API, and what the logs around the service leave out."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infrastructure import resources
from infrastructure.stages import STAGES
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
@pytest.mark.parametrize("key", ["IP", "CUSTOM_KEYS"])
def test_who_asks_too_often_is_told_so_and_when_to_come_again(
    stage: str, key: str, template_of: Callable[[str], Template]
) -> None:
    template = template_of(stage)

    answer = rules(template)[key]["Action"]["Block"]["CustomResponse"]

    body = template.one("AWS::WAFv2::WebACL")["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
    assert answer["ResponseCode"] == json.loads(body["Content"])["status"] == 429
    assert json.loads(body["Content"])["type"].endswith("/too-many-requests")
    assert "Retry-After" in [header["Name"] for header in answer["ResponseHeaders"]]


def test_the_gateway_logs_the_route_and_never_the_path(dev: Template) -> None:
    logged = json.loads(dev.one("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    assert logged["route"] == "$context.resourcePath"
    assert "$context.path" not in logged.values()


def test_the_database_logs_no_values_of_statements_that_fail(dev: Template) -> None:
    set_to = dev.one("AWS::RDS::DBClusterParameterGroup")["Parameters"]

    assert (set_to["log_min_error_statement"], set_to["log_error_verbosity"]) == ("panic", "terse")
    assert set_to["log_min_duration_statement"] == "-1"
