"""Who calls, and what they may do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from chalicelib.errors import Forbidden

RESOURCE_SERVER = "tagged-image-manager"
PERSON_SCOPE = "aws.cognito.signin.user.admin"


class Permission(IntEnum):
    """Each includes the ones before."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


GROUPS = {"viewers": Permission.READ, "editors": Permission.WRITE, "admins": Permission.ADMIN}
SCOPES = {
    f"{RESOURCE_SERVER}/read": Permission.READ,
    f"{RESOURCE_SERVER}/write": Permission.WRITE,
    f"{RESOURCE_SERVER}/admin": Permission.ADMIN,
}
ACCEPTED_SCOPES = [PERSON_SCOPE, *SCOPES]
"""The gateway lets in a token that carries one of these; a group may then permit more or less than the scope says."""


@dataclass(frozen=True)
class Caller:
    id: str
    client_id: str
    permission: Permission

    def may(self, needed: Permission) -> bool:
        return self.permission >= needed

    def owns(self, created_by: str) -> bool:
        """Return whether they may do what only the creator of an image, or an admin, may do."""
        return created_by == self.id or self.may(Permission.ADMIN)

    def check_owns(self, created_by: str) -> None:
        """Raise Forbidden unless they own what was created by this caller."""
        if not self.owns(created_by):
            raise Forbidden("Only an admin may do this to an image that someone else created.")


def caller_of(claims: Mapping[str, str], default_role: str, denied: Collection[str] = ()) -> Caller:
    """Return the caller, from the claims of an access token that the gateway has verified. Those who are denied, by
    their own id or by that of their client, have no permission."""
    caller = _permitted(claims, default_role)
    is_denied = not {caller.id, caller.client_id}.isdisjoint(denied)
    return replace(caller, permission=Permission.NONE) if is_denied else caller


def _permitted(claims: Mapping[str, str], default_role: str) -> Caller:
    """Only a person's token has a `username`."""
    client_id = claims["client_id"]
    if "username" in claims:
        groups = claims.get("cognito:groups", "").split(",")
        known = [GROUPS[group] for group in groups if group in GROUPS]
        permission = max(known, default=GROUPS.get(default_role, Permission.NONE))
        return Caller(claims["sub"], client_id, permission)
    scopes = claims.get("scope", "").split()
    return Caller(
        client_id, client_id, max((SCOPES.get(scope, Permission.NONE) for scope in scopes), default=Permission.NONE)
    )
