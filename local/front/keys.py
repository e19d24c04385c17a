"""The access keys that may sign, and the secrets that go with them."""

from collections.abc import Callable

from local.front.refusals import RefusedCall
from local.front.sessions import Sessions

Keys = Callable[[str, str], str]
"""Gives the secret of a key id with this session token ("" is none), or raises RefusedCall."""


def root(key_id: str, secret: str) -> Keys:
    """Knows the one key of the state directory."""

    def find(asked: str, token: str) -> str:
        if asked != key_id:
            raise RefusedCall(403, "InvalidAccessKeyId", "The access key id is not that of this stack.")
        if token:
            raise RefusedCall(400, "InvalidToken", "The access key of this stack has no session token.")
        return secret

    return find


def with_service(others: Keys, sessions: Sessions, account: str) -> Keys:
    """Knows the sessions too that the service's processes have. The emulator checks presigned URLs itself, so each
    session that is used is entered among its own."""
    from ministack.services import sts  # noqa: PLC0415

    def find(asked: str, token: str) -> str:
        if (secret := sessions.secret(asked, token)) is None:
            return others(asked, token)
        owner = {"Arn": f"arn:aws:iam::{account}:root", "AccountId": account, "UserId": account}
        sts._sessions[asked] = {**owner, "SecretAccessKey": secret, "SessionToken": token}
        return secret

    return find


def with_sessions(root: Keys) -> Keys:
    """Knows the sessions too that the emulator's STS has begun."""
    from ministack.core.iam_evaluator import ResolvedCredential, resolve_credential  # noqa: PLC0415
    from ministack.services import sts  # noqa: PLC0415

    def find(asked: str, token: str) -> str:
        if asked not in sts._sessions:
            return root(asked, token)
        found = resolve_credential(asked, None, token)
        if not isinstance(found, ResolvedCredential):
            raise RefusedCall(403, str(found.code), str(found.message))
        return str(found.secret_access_key)

    return find
