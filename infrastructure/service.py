"""What app.py says of itself: its functions, routes, events and schedules."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from chalicelib.config import Settings
from chalicelib.events import policy

POOL_ARN = "arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_placeholder"
"""Stands in app.py's authorizer until the deployment puts the real one there."""

_PLACEHOLDERS = {
    "DATABASE_URL": "postgresql+psycopg2://nobody@localhost/none",
    "IMAGE_BUCKET": "placeholder",
    "ACCESS_LOG_TABLE": "placeholder",
    "USER_POOL_ARN": POOL_ARN,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def import_with(allowed_origin: str) -> None:
    """The app takes its settings from the environment, and once: one stage a process."""
    os.environ |= _PLACEHOLDERS | {"ALLOWED_ORIGIN": allowed_origin}
    module()


@cache
def module() -> Any:
    import app  # noqa: PLC0415  once the environment is there

    return app


OF_THE_STACK = {
    *("DATABASE_URL", "IMAGE_BUCKET", "ACCESS_LOG_TABLE", "USER_POOL_ARN", "ALLOWED_ORIGIN"),
    *("INSPECTION_QUEUE", "IDENTIFIER_KEY"),
    "PROBLEM_TYPE_BASE",  # the gateway's own problems have it too
    "STATEMENT_TIMEOUT_SECONDS",  # the role in the database has it (roles.py)
}
"""Settings that no stage may set: they come of what is deployed."""


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """As they are. Raises ValueError or SettingsError when the service has no such setting, takes no such value, or
    gets it from the deployment."""
    may_be_set = {name.upper() for name in Settings.model_fields} - OF_THE_STACK
    if wrong := sorted(settings.keys() - may_be_set):
        raise ValueError(f"Not to be set for a stage: {', '.join(wrong)}")
    policy.chosen_by(Settings.model_validate(_PLACEHOLDERS | dict(settings)))
    return dict(settings)


def functions() -> list[str]:
    """The API and every other function, by the names that app.py gives them."""
    app = module().app
    return ["app", *(each.name for each in app.event_sources), *(each.name for each in app.pure_lambda_functions)]


def storage_event_handler() -> str:
    (handler,) = [each.name for each in module().app.event_sources if hasattr(each, "bucket")]
    return str(handler)


def schedules() -> dict[str, str]:
    declared = [each for each in module().app.event_sources if hasattr(each, "schedule_expression")]
    return {each.name: each.schedule_expression.to_string() for each in declared}
