"""The clients of the local user pool, and a pool of an earlier version."""

import json
import signal
from typing import Any

import httpx
import pytest

from infrastructure import resources
from local.user_pool import CUSTOM_SCOPES
from tests.conftest import aws_client
from tests.local.conftest import fresh_stack

PERMISSIONS = ["read", "write", "admin"]


def asks(stack: dict[str, Any], machine: dict[str, str], *permissions: str) -> httpx.Response:
    """Asks for a token with the scopes of these permissions."""
    scope = " ".join(f"tagged-image-manager/{each}" for each in permissions)
    form = {"grant_type": "client_credentials", "scope": scope}
    return httpx.post(stack["token_url"], data=form, auth=(machine["client_id"], machine["client_secret"]))


@pytest.mark.parametrize("scope", PERMISSIONS)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_machine_gets_no_scope_above_its_permission(stack: dict[str, Any], permission: str, scope: str) -> None:
    answer = asks(stack, stack["machines"][permission], scope)

    assert answer.status_code == (200 if PERMISSIONS.index(scope) <= PERMISSIONS.index(permission) else 400)


def test_a_machine_does_not_get_a_higher_scope_beside_one_of_its_own(stack: dict[str, Any]) -> None:
    answer = asks(stack, stack["machines"]["read"], "read", "admin")

    assert answer.status_code == 400


def test_the_machine_of_an_earlier_version_keeps_its_secret_and_loses_the_scope_for_admins() -> None:
    with fresh_stack() as stack:
        stack.start()
        made = stack.description
        go_back_to_one_machine(made)
        old = {"client_id": made["machine_client_id"], "client_secret": made["machine_client_secret"]}
        assert asks(made, old, "admin").status_code == 200
        stack.end(signal.SIGTERM)
        stack.state.joinpath("stack.json").write_text(json.dumps(made | {"machines": None}))

        stack.start()
        upgraded = stack.description

        assert {name: upgraded[name] for name in ("machine_client_id", "machine_client_secret")} == {
            name: made[name] for name in ("machine_client_id", "machine_client_secret")
        }
        assert asks(upgraded, old, "read", "write").status_code == 200
        assert asks(upgraded, old, "admin").status_code == 400
        assert list(upgraded["machines"]) == PERMISSIONS
        assert asks(upgraded, upgraded["machines"]["admin"], "admin").status_code == 200


def go_back_to_one_machine(stack: dict[str, Any]) -> None:
    """Sets up the clients as earlier versions did: one machine, which may request every scope."""
    cognito, pool = aws_client(stack, "cognito-idp"), stack["user_pool_id"]
    for permission in set(resources.MACHINE_SCOPES) - {"write"}:
        cognito.delete_user_pool_client(UserPoolId=pool, ClientId=stack["machines"][permission]["client_id"])
    cognito.update_user_pool_client(
        UserPoolId=pool,
        ClientId=stack["machine_client_id"],
        ClientName="machine",
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=CUSTOM_SCOPES,
    )
