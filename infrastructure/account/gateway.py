"""The role by which API Gateway writes logs: one for all APIs of an account in a region."""

from collections.abc import Iterator

from infrastructure.account.finding import Finding
from infrastructure.account.target import Target


def gateway_role(target: Target) -> Iterator[Finding]:
    role = str(target.calls.get("apigateway", "GetAccount").get("cloudwatchRoleArn", ""))
    deployed = target.assembly.of_type("AWS::ApiGateway::Account")
    if not deployed and not role:
        yield Finding(
            "API Gateway has no role to write logs by, and refuses a stage that is to write them",
            "none",
            "a role with the policy AmazonAPIGatewayPushToCloudWatchLogs",
            "set one with `aws apigateway update-account`",
        )
    elif deployed and role and f"role/{target.assembly.tags['service']}-" not in role:
        yield Finding(
            "The deployment would replace the role by which all APIs of the account in this region write their logs",
            role,
            "none, or a role of this service",
            "see that the other APIs need no more than the policy AmazonAPIGatewayPushToCloudWatchLogs, then remove the"
            " role with `aws apigateway update-account --patch-operations op=remove,path=/cloudwatchRoleArn`",
        )
