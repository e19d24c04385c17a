"""Failures as problem+json."""

import json

from chalicelib.errors import TooCostly, problem


def test_a_search_that_is_too_broad_says_which_condition_is() -> None:
    too_broad = [{"field": "match_tags[0]", "message": "matches 12,000 tags"}]

    response = problem(TooCostly("Ask for less.", errors=too_broad), "request-1")

    body = json.loads(response.body)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert body["type"].endswith("/too-costly")
    assert (body["detail"], body["errors"], body["request_id"]) == ("Ask for less.", too_broad, "request-1")
