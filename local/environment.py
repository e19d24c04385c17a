"""The environment of the service's processes: what Lambda and the deployment would give it."""

import os
from typing import Any
from urllib.parse import urljoin

from infrastructure.resources import FUNCTION_ENVIRONMENT, INSPECTION_ENVIRONMENT
from local import ROOT
from local.emulator import ACCOUNT
from local.front import sessions

FUNCTION_NAME = "tagged-image-manager"
MEMORY_MEGABYTES = 1024


def of_service(stack: dict[str, Any]) -> dict[str, str]:
    """Settings of the product in the caller's environment pass through; whatever names a part of the stack does not."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given = (
        {"STAGE": "local"}
        | FUNCTION_ENVIRONMENT
        | INSPECTION_ENVIRONMENT
        | _links(stack)
        | inherited
        | database(stack["database_url"])
    )
    return given | _aws(stack) | _resources(stack)


def database(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg2://", 1), "PYTHONPATH": str(ROOT)}


def _links(stack: dict[str, Any]) -> dict[str, str]:
    """A problem's type leads to its explanation."""
    return {"PROBLEM_TYPE_BASE": urljoin(stack["api_url"], "/docs/errors") + "#"}


def _resources(stack: dict[str, Any]) -> dict[str, str]:
    pool = f"arn:aws:cognito-idp:{stack['region']}:{ACCOUNT}:userpool/{stack['user_pool_id']}"
    return {
        "IMAGE_BUCKET": stack["bucket"],
        "ACCESS_LOG_TABLE": stack["access_log_table"],
        "INSPECTION_QUEUE": stack["inspection_queue"],
        "IDENTIFIER_KEY": stack["identifier_key"],
        "USER_POOL_ARN": pool,
    }


def _aws(stack: dict[str, Any]) -> dict[str, str]:
    return {
        "AWS_REGION": stack["region"],
        "AWS_DEFAULT_REGION": stack["region"],
        "AWS_ENDPOINT_URL": stack["aws_endpoint_url"],
        # Temporary credentials, as a function with SnapStart gets them; none of the person who runs the stack.
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": urljoin(stack["aws_endpoint_url"], sessions.PATH),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": sessions.Sessions(stack["aws_secret_access_key"]).authorization(),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MEGABYTES),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    }
