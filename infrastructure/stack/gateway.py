"""API Gateway: the API of app.py, its own answers, throttling, access log."""

import json

from aws_cdk import aws_apigateway, aws_kms, aws_lambda, aws_logs
from aws_cdk.aws_apigateway import AccessLogFormat
from constructs import Construct

from infrastructure import resources
from infrastructure.stack.api_body import api_body
from infrastructure.stack.firewall import firewall
from infrastructure.stack.functions import Functions
from infrastructure.stack.logs import limit, log_group
from infrastructure.stack.users import Users
from infrastructure.stages import Stage

TOO_MANY_REQUESTS = "TooManyRequests"
"""The metric of answers 429."""

_LOGGED = {
    "request_id": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "user": "$context.authorizer.claims.sub",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",  # not the path, which may hold the name of a tag
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "error_type": "$context.error.responseType",  # not the message, which may hold the Authorization header
    "firewall": "$context.wafResponseCode",
}


class Gateway:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key, functions: Functions, users: Users) -> None:
        self._scope, self._stage = scope, stage
        body = api_body(functions.api.alias.function_arn, users.pool.user_pool_arn, stage.problem_type_base)
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
                access_log_format=AccessLogFormat.custom(json.dumps(_LOGGED | _dimensions(stage))),
                throttling_rate_limit=stage.requests_a_second,
                throttling_burst_limit=stage.burst,
                metrics_enabled=True,
                logging_level=aws_apigateway.MethodLoggingLevel.ERROR,
            ),
        )
        limit(scope, "Gateway", f"API-Gateway-Execution-Logs_{self.api.rest_api_id}/{resources.STAGE}", stage)
        _count_too_many_requests(scope, stage, group)
        self._let_call(functions)
        if stage.firewall:
            firewall(scope, self.api.deployment_stage, stage.problem_type_base)

    def _let_call(self, functions: Functions) -> None:
        aws_lambda.CfnPermission(
            self._scope,
            "GatewayMayCall",
            action="lambda:InvokeFunction",
            function_name=functions.api.alias.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.api.arn_for_execute_api("*", "/*", resources.STAGE),
        )


def _dimensions(stage: Stage) -> dict[str, str]:
    """Returns the dimensions of all our metrics. A metric that is made from a log has them from fields of the line."""
    return {"service": resources.FUNCTION_ENVIRONMENT["POWERTOOLS_SERVICE_NAME"], "stage": stage.name}


def _count_too_many_requests(scope: Construct, stage: Stage, log: aws_logs.LogGroup) -> None:
    """Counts the answers 429. API Gateway's own metric, 4XXError, does not tell them from other errors."""
    aws_logs.MetricFilter(
        scope,
        "TooManyRequestsFilter",
        log_group=log,
        filter_pattern=aws_logs.FilterPattern.string_value("$.status", "=", "429"),
        metric_namespace=resources.FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"],
        metric_name=TOO_MANY_REQUESTS,
        metric_value="1",
        dimensions={name: f"$.{name}" for name in _dimensions(stage)},
    )
