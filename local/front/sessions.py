"""Temporary credentials for the service's processes, which get them as functions with SnapStart do on AWS: from an
endpoint that asks for a token, with an end.

Nothing is stored: a session's token has its key id and its end, and is signed with the secret of the state directory.
So sessions outlive a restart of the emulator.
"""

import base64
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.front.head import Head
from local.front.refusals import Answer, RefusedCall

PATH = "/_front/credentials"
LASTING = timedelta(hours=6)

_TOKEN = re.compile(r"(ASIA[0-9A-F]{16}) ([0-9]{10}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class Sessions:
    root_secret: str

    def authorization(self) -> str:
        """Returns what the header Authorization of a request for credentials has to be."""
        return self._signed("authorization")

    def begin(self, lasting: timedelta = LASTING) -> dict[str, str]:
        """Returns a new session's credentials, as the endpoint answers with them."""
        key_id, ends = f"ASIA{secrets.token_hex(8).upper()}", datetime.now(UTC).replace(microsecond=0) + lasting
        session = f"{key_id} {int(ends.timestamp())}"
        return {
            "AccessKeyId": key_id,
            "SecretAccessKey": self._signed(key_id),
            "Token": base64.b64encode(f"{session} {self._signed(session)}".encode()).decode(),
            "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }

    def secret(self, key_id: str, token: str) -> str | None:
        """Returns the secret key of a session; None for a token of another kind. Raises RefusedCall, with the codes of
        S3, for one that is not of this stack or has ended."""
        session = _parsed(token)
        if session is None:
            return None
        if session[0] != key_id or not hmac.compare_digest(session[2], self._signed(" ".join(session[:2]))):
            raise RefusedCall(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        if int(session[1]) <= datetime.now(UTC).timestamp():
            raise RefusedCall(400, "ExpiredToken", "The provided token has expired.")
        return self._signed(key_id)

    def answer(self, head: Head) -> Answer:
        """Raises RefusedCall unless one of the service's processes asks."""
        asks = head.method == "GET" and not head.origin and not head.is_query_signed
        if not asks or not hmac.compare_digest(head.header("authorization").encode(), self.authorization().encode()):
            raise RefusedCall(403, "AccessDenied", "Credentials are for the service's own processes.")
        return 200, "application/json", json.dumps(self.begin()).encode()

    def _signed(self, text: str) -> str:
        return hmac.digest(self.root_secret.encode(), f"session {text}".encode(), "sha256").hex()


def _parsed(token: str) -> tuple[str, str, str] | None:
    try:
        found = _TOKEN.fullmatch(base64.b64decode(token, validate=True).decode("ascii"))
    except ValueError:
        return None
    return (found[1], found[2], found[3]) if found else None
