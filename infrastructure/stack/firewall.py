"""The firewall before the API: known attacks, and a limit of requests for each address and for each caller."""

import json
from typing import Any

from aws_cdk import aws_wafv2
from aws_cdk.aws_apigateway import Stage
from aws_cdk.aws_wafv2 import CfnWebACL
from constructs import Construct

from infrastructure import resources
from infrastructure.stack.api_body import PROBLEM_TYPE_BASE

REQUESTS_PER_ADDRESS = 10_000
"""In as long a time as a caller's; an address that asks more has no token, or many callers behind it."""

_TOO_MANY = "too-many-requests"


def firewall(scope: Construct, stage: Stage) -> None:
    acl = CfnWebACL(
        scope,
        "Firewall",
        scope="REGIONAL",
        default_action=CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_seen("all"),
        custom_response_bodies={_TOO_MANY: _problem()},
        rules=[
            _managed(0, "AWSManagedRulesCommonRuleSet", "SizeRestrictions_BODY"),
            _managed(1, _BAD_INPUTS),
            _rate(2, "Rate", aggregate_key_type="IP", limit=REQUESTS_PER_ADDRESS),
            _rate(3, "RateOfCaller", aggregate_key_type="CUSTOM_KEYS", custom_keys=[_TOKEN], limit=_OF_CALLER),
        ],
    )
    association = aws_wafv2.CfnWebACLAssociation(
        scope, "FirewallBefore", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
    )
    association.node.add_dependency(stage)


_COMMON = "AWSManagedRulesCommonRuleSet"
_BAD_INPUTS = "AWSManagedRulesKnownBadInputsRuleSet"


def _managed(priority: int, name: str, *only_counted: str) -> CfnWebACL.RuleProperty:
    """`only_counted`: what would stop our own uploads, whose bodies are larger than 8 KB."""
    counted = [
        CfnWebACL.RuleActionOverrideProperty(name=each, action_to_use=CfnWebACL.RuleActionProperty(count={}))
        for each in only_counted
    ]
    group = CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS", name=name, rule_action_overrides=counted or None
    )
    return CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=CfnWebACL.OverrideActionProperty(none={}),
        statement=CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        visibility_config=_seen(name),
    )


_OF_CALLER = resources.REQUESTS_PER_CALLER
_TOKEN = CfnWebACL.RateBasedStatementCustomKeyProperty(
    header=CfnWebACL.RateLimitHeaderProperty(
        name="authorization",
        text_transformations=[CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
    )
)
"""The firewall stands before the authorizer and knows no callers, only their tokens."""


def _rate(priority: int, name: str, **counted: Any) -> CfnWebACL.RuleProperty:
    rate = CfnWebACL.RateBasedStatementProperty(evaluation_window_sec=resources.RATE_SECONDS, **counted)
    answer = CfnWebACL.CustomResponseProperty(
        response_code=429,
        custom_response_body_key=_TOO_MANY,
        response_headers=[CfnWebACL.CustomHTTPHeaderProperty(name="Retry-After", value="30")],
    )
    return CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=CfnWebACL.RuleActionProperty(block=CfnWebACL.BlockActionProperty(custom_response=answer)),
        statement=CfnWebACL.StatementProperty(rate_based_statement=rate),
        visibility_config=_seen(name),
    )


def _problem() -> CfnWebACL.CustomResponseBodyProperty:
    """Of type application/json, since the firewall has no other; and without a request id, which it has not either."""
    status, slug, title, detail = resources.GATEWAY_RESPONSES["THROTTLED"]
    problem = {"type": PROBLEM_TYPE_BASE + slug, "title": title, "status": status, "detail": detail}
    return CfnWebACL.CustomResponseBodyProperty(content_type="APPLICATION_JSON", content=json.dumps(problem))


def _seen(name: str) -> CfnWebACL.VisibilityConfigProperty:
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
