"""Signature version 4, verified: in the Authorization header, or in the query of a presigned URL.

The algorithm: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from urllib.parse import quote, unquote_to_bytes

from local.front.head import Head
from local.front.refusals import RefusedCall

UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW = timedelta(minutes=15)
LONGEST = 604_800

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^, ]+), ?SignedHeaders=([a-z0-9;_-]+), ?Signature=([0-9a-f]{64})"
)
_CREDENTIAL = re.compile(r"(\w{1,128})/(\d{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})/aws4_request", re.ASCII)


@dataclass(frozen=True)
class Signature:
    key_id: str
    day: str
    region: str
    service: str
    headers: str
    """Names of the signed headers, separated by semicolons."""
    value: str
    moment: str
    token: str
    """Of temporary credentials; else empty."""
    seconds: int | None
    """How long a presigned URL is good; None: this is a signature in the header."""

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def key(self, secret: str) -> bytes:
        return _key(secret, self.day, self.region, self.service)


def in_header(head: Head) -> Signature:
    """Raises RefusedCall."""
    found = _AUTHORIZATION.fullmatch(head.header("authorization"))
    if found is None:
        raise RefusedCall(
            400, "IncompleteSignature", "The Authorization header is not a whole AWS4-HMAC-SHA256 signature."
        )
    credential, headers, value = found.groups()
    return Signature(
        *_credential(credential),
        headers,
        value,
        head.header("x-amz-date"),
        head.header("x-amz-security-token"),
        None,
    )


def in_query(head: Head) -> Signature:
    """Raises RefusedCall."""
    if head.parameter("x-amz-algorithm") != "AWS4-HMAC-SHA256":
        raise RefusedCall(400, "AuthorizationQueryParametersError", "X-Amz-Algorithm must be AWS4-HMAC-SHA256.")
    seconds = head.parameter("x-amz-expires")
    if not re.fullmatch(r"[0-9]{1,6}", seconds) or not 1 <= int(seconds) <= LONGEST:
        raise RefusedCall(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be from 1 to 604800.")
    return Signature(
        *_credential(head.parameter("x-amz-credential")),
        head.parameter("x-amz-signedheaders"),
        head.parameter("x-amz-signature"),
        head.parameter("x-amz-date"),
        head.parameter("x-amz-security-token"),
        int(seconds),
    )


def check_head(head: Head, signature: Signature, now: datetime) -> None:
    """Raises RefusedCall unless the signature is in its time and covers every header that it has to."""
    _check_time(signature, now)
    signed = signature.headers.split(";")
    if "host" not in signed:
        raise RefusedCall(403, "AccessDenied", "The header host must be signed.")
    if unsigned := [name for name in head.headers if name.startswith("x-amz-") and name not in signed]:
        message = "There were headers present in the request which were not signed"
        raise RefusedCall(403, "AccessDenied", f"{message}: {', '.join(unsigned)}")


def check_value(head: Head, signature: Signature, secret: str, payload: str) -> None:
    """Raises RefusedCall unless it is the signature of this request. `payload` is the body's hash, or what replaces
    it."""
    wanted = signed(canonical_request(head, signature, payload), signature, secret)
    if not hmac.compare_digest(wanted.encode(), signature.value.encode()):
        raise RefusedCall(403, "SignatureDoesNotMatch", "The signature does not match the request and the secret key.")


def signed(request: str, signature: Signature, secret: str) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{signature.moment}\n{signature.scope}\n{digest}"
    return hmac.digest(signature.key(secret), text.encode(), "sha256").hex()


def canonical_request(head: Head, signature: Signature, payload: str) -> str:
    headers = "".join(f"{name}:{_values(head, name)}\n" for name in signature.headers.split(";"))
    path = _path(head.raw_path, signature.service)
    return "\n".join((head.method, path, _query(head.query), headers, signature.headers, payload))


def _check_time(signature: Signature, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(signature.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedCall(403, "AccessDenied", "X-Amz-Date is missing or malformed.") from None
    if signature.day != signature.moment[:8]:
        raise RefusedCall(403, "SignatureDoesNotMatch", "The day of the credential is not that of X-Amz-Date.")
    if signed_at > now + SKEW:
        raise RefusedCall(403, "RequestTimeTooSkewed", "The request was signed in the future.")
    if signature.seconds is None:
        if signed_at < now - SKEW:
            raise RefusedCall(403, "RequestTimeTooSkewed", "The request was signed more than 15 minutes ago.")
    elif now >= signed_at + timedelta(seconds=signature.seconds):
        raise RefusedCall(403, "AccessDenied", "Request has expired")


def _credential(text: str) -> tuple[str, str, str, str]:
    """Key id, day, region and service. Raises RefusedCall."""
    found = _CREDENTIAL.fullmatch(text)
    if found is None:
        raise RefusedCall(400, "IncompleteSignature", "The credential must be key/date/region/service/aws4_request.")
    return found[1], found[2], found[3], found[4]


def _path(raw_path: str, service: str) -> str:
    """S3 signs a path as it is, others one that was encoded once more."""
    if service == "s3":
        return quote(unquote_to_bytes(raw_path), safe="/~")
    return quote(raw_path, safe="/~")


def _query(query: list[tuple[str, str]]) -> str:
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs if name.lower() != "x-amz-signature")


def _values(head: Head, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in head.headers.get(name, []))


@lru_cache(maxsize=64)
def _key(secret: str, *scope: str) -> bytes:
    first = b"AWS4" + secret.encode()
    return reduce(lambda key, part: hmac.digest(key, part.encode(), "sha256"), (*scope, "aws4_request"), first)
