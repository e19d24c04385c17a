"""The Cognito user pool of the local stack: groups, scopes, clients, and a user for each kind of caller."""

from typing import Any

from infrastructure import resources
from local.state import USERS

POOL = "tagged-image-manager"
DOMAIN = "tagged-image-manager"
CUSTOM_SCOPES = [f"{resources.RESOURCE_SERVER}/{name}" for name in resources.SCOPES]
MACHINES = {"read": "machine-read", "write": "machine", "admin": "machine-admin"}
"""The name of the machine client of each permission. The one for `write` keeps the name and the id that the only
machine client had when there was one for all permissions."""


def provision(cognito: Any, passwords: dict[str, str], callback: str) -> dict[str, Any]:
    """Safe to repeat. Answers with what stack.json says of it."""
    pool = _pool(cognito)
    _groups(cognito, pool)
    clients = _clients(cognito, pool, callback)
    _users(cognito, pool, passwords)
    machines = {permission: _credentials(clients[name]) for permission, name in MACHINES.items()}
    return {
        "user_pool_id": pool,
        "client_id": clients["browser"]["ClientId"],
        "machine_client_id": machines["write"]["client_id"],
        "machine_client_secret": machines["write"]["client_secret"],
        "machines": machines,
        "users": {name: {"password": passwords[name], "group": group} for name, group in USERS.items()},
    }


def _pool(cognito: Any) -> str:
    for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]:
        if pool["Name"] == POOL:
            return str(pool["Id"])
    made = cognito.create_user_pool(PoolName=POOL, AdminCreateUserConfig={"AllowAdminCreateUserOnly": True})
    pool_id = str(made["UserPool"]["Id"])
    cognito.create_resource_server(
        UserPoolId=pool_id,
        Identifier=resources.RESOURCE_SERVER,
        Name=resources.RESOURCE_SERVER,
        Scopes=[{"ScopeName": name, "ScopeDescription": said} for name, said in resources.SCOPES.items()],
    )
    cognito.create_user_pool_domain(UserPoolId=pool_id, Domain=DOMAIN)
    return pool_id


def _groups(cognito: Any, pool: str) -> None:
    present = {group["GroupName"] for group in cognito.list_groups(UserPoolId=pool)["Groups"]}
    for group in resources.GROUPS:
        if group not in present:
            cognito.create_group(UserPoolId=pool, GroupName=group)


def _clients(cognito: Any, pool: str, callback: str) -> dict[str, Any]:
    listed = cognito.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
    present = {client["ClientName"]: client["ClientId"] for client in listed}
    return {
        name: (
            cognito.update_user_pool_client(UserPoolId=pool, ClientId=present[name], ClientName=name, **settings)
            if name in present
            else cognito.create_user_pool_client(UserPoolId=pool, ClientName=name, **settings, **_secret(name))
        )["UserPoolClient"]
        for name, settings in _client_settings(callback).items()
    }


def _secret(client: str) -> dict[str, bool]:
    return {"GenerateSecret": client in MACHINES.values()}


def _credentials(client: dict[str, Any]) -> dict[str, str]:
    return {"client_id": client["ClientId"], "client_secret": client["ClientSecret"]}


def _client_settings(callback: str) -> dict[str, dict[str, Any]]:
    return {
        "browser": {
            "ExplicitAuthFlows": [
                "ALLOW_USER_PASSWORD_AUTH",
                "ALLOW_USER_SRP_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH",
            ],
            "SupportedIdentityProviders": ["COGNITO"],
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": ["openid", *CUSTOM_SCOPES],
            "CallbackURLs": [callback],
            "LogoutURLs": [callback],
        },
        **{MACHINES[permission]: _machine_settings(scopes) for permission, scopes in resources.MACHINE_SCOPES.items()},
    }


def _machine_settings(scopes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["client_credentials"],
        "AllowedOAuthScopes": [f"{resources.RESOURCE_SERVER}/{scope}" for scope in scopes],
    }


def _users(cognito: Any, pool: str, passwords: dict[str, str]) -> None:
    present = {user["Username"] for user in cognito.list_users(UserPoolId=pool)["Users"]}
    for name, group in USERS.items():
        if name not in present:
            cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
            cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=passwords[name], Permanent=True)
        if group:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=group)
