"""The firewall before the API: known attacks, and limits: for each caller, and for each address without a token."""

import json
from typing import Any

from aws_cdk import aws_wafv2
from aws_cdk.aws_apigateway import Stage
from aws_cdk.aws_wafv2 import CfnWebACL
from constructs import Construct

from infrastructure import resources
from infrastructure.stack.api_body import cors_headers

REQUESTS_PER_ADDRESS = 10_000
"""Of those without an Authorization header, in as long a time as a caller's. Such get a 401, or are a browser's
questions before its requests; with a token it is the caller who is counted, since a whole hospital may have one
address."""

_TOO_MANY = "too-many-requests"


def firewall(scope: Construct, stage: Stage, problem_type_base: str) -> None:
    acl = CfnWebACL(
        scope,
        "Firewall",
        scope="REGIONAL",
        default_action=CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_seen("all"),
        custom_response_bodies={_TOO_MANY: _problem(problem_type_base)},
        rules=[
            _managed(0, "AWSManagedRulesCommonRuleSet"),
            _managed(1, "AWSManagedRulesKnownBadInputsRuleSet"),
            _rate(
                2,
                "Rate",
                aggregate_key_type="IP",
                limit=REQUESTS_PER_ADDRESS,
                scope_down_statement=_without_authorization(),
            ),
            _rate(3, "RateOfCaller", aggregate_key_type="CUSTOM_KEYS", custom_keys=[_TOKEN], limit=_OF_CALLER),
        ],
    )
    association = aws_wafv2.CfnWebACLAssociation(
        scope, "FirewallBefore", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
    )
    association.node.add_dependency(stage)


ONLY_COUNTED = {
    "AWSManagedRulesCommonRuleSet": [
        "NoUserAgent_HEADER",
        *(f"SizeRestrictions_{part}" for part in ("QUERYSTRING", "URIPATH", "BODY")),
        *(f"EC2MetaDataSSRF_{part}" for part in ("BODY", "URIPATH", "QUERYARGUMENTS")),
        *(f"GenericLFI_{part}" for part in ("QUERYARGUMENTS", "URIPATH", "BODY")),
        *(f"GenericRFI_{part}" for part in ("QUERYARGUMENTS", "BODY", "URIPATH")),
        *(f"CrossSiteScripting_{part}" for part in ("QUERYARGUMENTS", "BODY", "URIPATH")),
        *("RestrictedExtensions_URIPATH", "RestrictedExtensions_QUERYARGUMENTS"),
    ],
    "AWSManagedRulesKnownBadInputsRuleSet": [
        *(f"JavaDeserializationRCE_{part}" for part in ("BODY", "URIPATH", "QUERYSTRING")),
        *(f"Log4JRCE_{part}" for part in ("QUERYSTRING", "BODY", "URIPATH")),
        "ExploitablePaths_URIPATH",
    ],
}
"""What the contract takes, these rules of AWS would stop: a search's query of more than 2,048 bytes, a body of more
than 8 KB, a client without a User-Agent, and tags, filenames and metadata, which are data whatever they look like, in
body, query and path. Their hits are seen in the metrics."""


def _managed(priority: int, name: str) -> CfnWebACL.RuleProperty:
    counted = [
        CfnWebACL.RuleActionOverrideProperty(name=each, action_to_use=CfnWebACL.RuleActionProperty(count={}))
        for each in ONLY_COUNTED[name]
    ]
    group = CfnWebACL.ManagedRuleGroupStatementProperty(vendor_name="AWS", name=name, rule_action_overrides=counted)
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


def _without_authorization() -> CfnWebACL.StatementProperty:
    """Without the header there is nothing to match, and so not this either: a value of any length, none included."""
    present = CfnWebACL.SizeConstraintStatementProperty(
        field_to_match=CfnWebACL.FieldToMatchProperty(single_header={"Name": "authorization"}),
        comparison_operator="GE",
        size=0,
        text_transformations=[CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
    )
    return CfnWebACL.StatementProperty(
        not_statement=CfnWebACL.NotStatementProperty(
            statement=CfnWebACL.StatementProperty(size_constraint_statement=present)
        )
    )


def _rate(priority: int, name: str, **counted: Any) -> CfnWebACL.RuleProperty:
    rate = CfnWebACL.RateBasedStatementProperty(evaluation_window_sec=resources.RATE_SECONDS, **counted)
    answer = CfnWebACL.CustomResponseProperty(
        response_code=429,
        custom_response_body_key=_TOO_MANY,
        response_headers=[
            CfnWebACL.CustomHTTPHeaderProperty(name=name, value=value)
            for name, value in {
                "Retry-After": str(resources.RATE_SECONDS),
                "Cache-Control": resources.CACHE_CONTROL,
                **cors_headers(),
            }.items()
        ],
    )
    return CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=CfnWebACL.RuleActionProperty(block=CfnWebACL.BlockActionProperty(custom_response=answer)),
        statement=CfnWebACL.StatementProperty(rate_based_statement=rate),
        visibility_config=_seen(name),
    )


def _problem(problem_type_base: str) -> CfnWebACL.CustomResponseBodyProperty:
    """Of type application/json, since the firewall has no other; and without a request id, which it has not either."""
    status, slug, title, detail = resources.GATEWAY_RESPONSES["THROTTLED"]
    problem = {"type": problem_type_base + slug, "title": title, "status": status, "detail": detail}
    return CfnWebACL.CustomResponseBodyProperty(content_type="APPLICATION_JSON", content=json.dumps(problem))


def _seen(name: str) -> CfnWebACL.VisibilityConfigProperty:
    """Metrics only: samples would show paths and headers in the console, and so tokens, searches and names of tags."""
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
