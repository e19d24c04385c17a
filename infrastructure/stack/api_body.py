"""The API's description, from app.py: every route with its scopes, as API Gateway imports it."""

import json
from typing import Any

from aws_cdk import Aws
from chalice.deploy.swagger import SwaggerGenerator

from infrastructure import resources, service


class _Body(SwaggerGenerator):
    def __init__(self, function_arn: str) -> None:
        super().__init__(Aws.REGION, {})
        self._function_arn = function_arn

    def _uri(self, lambda_arn: str | None = None) -> str:  # noqa: ARG002
        place = f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda"
        return f"{place}:path/2015-03-31/functions/{self._function_arn}/invocations"


def api_body(function_arn: str, pool_arn: str, problem_type_base: str) -> dict[str, Any]:
    """Its authorizer asks the pool of this deployment."""
    app = service.module().app
    body: dict[str, Any] = _Body(function_arn).generate_swagger(app)
    # The summaries are for people; a change of words is no reason to deploy.
    for methods in body["paths"].values():
        for method in methods.values():
            method.pop("summary", None)
            method.pop("description", None)
    for definition in body["securityDefinitions"].values():
        authorizer = definition["x-amazon-apigateway-authorizer"]
        assert authorizer["providerARNs"] == [service.POOL_ARN]  # noqa: S101
        authorizer["providerARNs"] = [pool_arn]
    body["x-amazon-apigateway-gateway-responses"] = {
        kind: _answer(problem_type_base, *said) for kind, said in resources.GATEWAY_RESPONSES.items()
    }
    return body


def cors_headers() -> dict[str, str]:
    """Without them a browser shows its page no answer, only a failure."""
    cors = service.module().app.api.cors.get_access_control_headers()
    return {name: cors[name] for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")}


def _answer(problem_type_base: str, status: int, slug: str, title: str, detail: str) -> dict[str, Any]:
    """What the gateway answers by itself, in the shape of every other error."""
    headers = {
        "Content-Type": "'application/problem+json'",
        "X-Request-Id": "context.requestId",
        "Cache-Control": f"'{resources.CACHE_CONTROL}'",
        **{name: f"'{value}'" for name, value in cors_headers().items()},
        **_MORE_HEADERS.get(status, {}),
    }
    problem = {
        "type": problem_type_base + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": "$context.requestId",
    }
    return {
        "statusCode": str(status),
        "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        "responseTemplates": {"application/json": json.dumps(problem)},
    }


_MORE_HEADERS = {401: {"WWW-Authenticate": "'Bearer'"}, 429: {"Retry-After": "'1'"}}
