"""API Gateway: the API of app.py, its own answers, throttling, access log; and a firewall where the stage has one."""

import json

from aws_cdk import aws_apigateway, aws_kms, aws_lambda, aws_wafv2
from aws_cdk.aws_apigateway import AccessLogFormat
from aws_cdk.aws_wafv2 import CfnWebACL
from constructs import Construct

from infrastructure import resources
from infrastructure.stack.api_body import api_body
from infrastructure.stack.functions import Functions
from infrastructure.stack.logs import log_group
from infrastructure.stack.users import Users
from infrastructure.stages import Stage

REQUESTS_PER_ADDRESS = 10_000
"""In five minutes; the firewall stops an address that asks more."""

_LOGGED = {
    "request_id": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "user": "$context.authorizer.claims.sub",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "error": "$context.error.message",
    "error_type": "$context.error.responseType",
    "firewall": "$context.wafResponseCode",
}


class Gateway:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key, functions: Functions, users: Users) -> None:
        self._scope, self._stage = scope, stage
        body = api_body(functions.api.alias.function_arn, users.pool.user_pool_arn)
        group = log_group(scope, "GatewayLog", f"/tagged-image-manager/{stage.name}/gateway", stage, key)
        self.api = aws_apigateway.SpecRestApi(
            scope,
            "Gateway",
            rest_api_name=f"tagged-image-manager-{stage.name}",
            api_definition=aws_apigateway.ApiDefinition.from_inline(body),
            endpoint_types=[aws_apigateway.EndpointType.REGIONAL],
            cloud_watch_role=True,
            deploy_options=aws_apigateway.StageOptions(
                stage_name=resources.STAGE,
                access_log_destination=aws_apigateway.LogGroupLogDestination(group),
                access_log_format=AccessLogFormat.custom(json.dumps(_LOGGED)),
                throttling_rate_limit=stage.requests_a_second,
                throttling_burst_limit=stage.burst,
                metrics_enabled=True,
                logging_level=aws_apigateway.MethodLoggingLevel.ERROR,
            ),
        )
        self._let_call(functions)
        if stage.firewall:
            self._firewall()

    def _let_call(self, functions: Functions) -> None:
        aws_lambda.CfnPermission(
            self._scope,
            "GatewayMayCall",
            action="lambda:InvokeFunction",
            function_name=functions.api.alias.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.api.arn_for_execute_api("*", "/*", resources.STAGE),
        )

    def _firewall(self) -> None:
        acl = CfnWebACL(
            self._scope,
            "Firewall",
            scope="REGIONAL",
            default_action=CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen("all"),
            rules=[
                _managed(0, "AWSManagedRulesCommonRuleSet", "SizeRestrictions_BODY"),
                _managed(1, _BAD_INPUTS),
                _rate(2),
            ],
        )
        stage = self.api.deployment_stage
        association = aws_wafv2.CfnWebACLAssociation(
            self._scope, "FirewallBefore", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
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


def _rate(priority: int) -> CfnWebACL.RuleProperty:
    rate = CfnWebACL.RateBasedStatementProperty(limit=REQUESTS_PER_ADDRESS, aggregate_key_type="IP")
    return CfnWebACL.RuleProperty(
        name="Rate",
        priority=priority,
        action=CfnWebACL.RuleActionProperty(block={}),
        statement=CfnWebACL.StatementProperty(rate_based_statement=rate),
        visibility_config=_seen("Rate"),
    )


def _seen(name: str) -> CfnWebACL.VisibilityConfigProperty:
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
