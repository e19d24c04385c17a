"""A handler that calls any function of an app: one process then serves for all of them, and starts in a sixth of the
time."""

from typing import Any

import app


def handle(event: dict[str, Any], context: Any) -> Any:
    """Calls the function that the event names with the event in it. Without a name, returns what there is to call."""
    if event["function"] is None:
        return _declared()
    return getattr(app, event["function"])(event["event"], context)


def _declared() -> dict[str, list[str]]:
    operations = [f"{method} {path}" for path, methods in app.app.routes.items() for method in methods]
    functions = [each.name for each in app.app.event_sources] + [each.name for each in app.app.pure_lambda_functions]
    return {"operations": operations, "functions": functions}
