"""Who is let in, and what each kind of caller may do. Who must not be let in: test_attacks."""

from typing import Any

import pytest
from httpx import Client, Response

from tests.contract.builders import assert_problem, claims_of, one_shot
from tests.contract.conftest import ClientAs
from tests.contract.routes import PERMISSIONS, ROUTES, Route

Stack = dict[str, Any]

CALLERS = {
    "viewer": "read",
    "editor": "write",
    "admin": "admin",
    "newcomer": "write",
    "machine/read": "read",
    "machine/write": "write",
    "machine/admin": "admin",
}


def assert_unauthorized(response: Response) -> None:
    problem = assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert problem["type"].endswith("unauthorized")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_needs_a_token(anonymous: Client, route: Route) -> None:
    response = anonymous.request(route.method, route.path)

    assert_unauthorized(response)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_caller_may_do_what_the_permission_allows(client_as: ClientAs, route: Route, caller: str) -> None:
    allowed = PERMISSIONS.index(CALLERS[caller]) >= PERMISSIONS.index(route.needs)

    response = client_as(caller).request(route.method, route.path, json={} if route.takes_body else None)

    if allowed:
        assert response.status_code in {200, 204, 400, 404}, response.text
    else:
        assert assert_problem(response, 403, saying=route.needs)["type"].endswith("forbidden")


def test_a_caller_without_the_permission_learns_nothing_of_the_rest_of_the_request(viewer: Client) -> None:
    response = viewer.post(
        "/images", content=b"{", params={"nonsense": 1}, headers={"Content-Type": "application/json"}
    )

    assert_problem(response, 403)


@pytest.mark.parametrize("caller", ["editor", "newcomer", "admin"])
def test_a_person_is_known_by_sub(client_as: ClientAs, caller: str) -> None:
    client = client_as(caller)

    image = one_shot(client)

    assert image["created_by"] == claims_of(client)["sub"]


def test_a_machine_is_known_by_its_client_id(client_as: ClientAs, stack: Stack) -> None:
    image = one_shot(client_as("machine/write"))

    assert image["created_by"] == stack["machine_client_id"]
