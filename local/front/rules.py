"""Which requests the stack has a use for, and what each has to prove."""

import json
import re
from dataclasses import dataclass

from local.front.head import Head
from local.front.refusals import RefusedCall

SERVED = ("s3", "sqs", "dynamodb", "cognito-idp")
"""The services of the local stack, by the names in the scope of a signature."""

READY = "/_ministack/ready"

TARGETS = {
    "sqs": "AmazonSQS.",
    "dynamodb": "DynamoDB_20120810.",
    "cognito-idp": "AWSCognitoIdentityProviderService.",
}
"""How X-Amz-Target begins for a service that takes JSON."""

_PAGES = {("GET", "/oauth2/authorize"), ("POST", "/login"), ("POST", "/oauth2/token")}
_PUBLIC_KEYS = re.compile(r"/[a-z0-9-]+_[A-Za-z0-9]+/\.well-known/(jwks\.json|openid-configuration)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_BUCKETS = {"health", "iceberg", "login", "logout", "oauth2", "restapis", "saml2", "v20180820"}
"""Paths that the emulator gives to something else."""

_PROOFS = {
    "InitiateAuth": ("AuthFlow", {"USER_PASSWORD_AUTH", "USER_SRP_AUTH", "REFRESH_TOKEN_AUTH"}),
    "RespondToAuthChallenge": ("ChallengeName", {"PASSWORD_VERIFIER"}),
}
"""What Cognito may be asked without a signature. To other challenges the emulator gives tokens without any proof: who
answers NEW_PASSWORD_REQUIRED sets anyone's password."""

_PRESIGNATURE = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
_SIGN_IN_HEADERS = {"x-amz-target", "x-amz-user-agent"}


@dataclass(frozen=True)
class Rules:
    services: tuple[str, ...]
    hosts: frozenset[str]
    region: str

    def check_host(self, head: Head) -> None:
        """Raises RefusedCall for names that lead here from elsewhere (DNS rebinding), and for virtual hosts."""
        hosts = head.headers.get("host", [])
        if len(hosts) != 1:
            raise RefusedCall(400, "InvalidRequest", "The request must have exactly one Host header.")
        if hosts[0].lower() not in self.hosts:
            raise RefusedCall(
                421, "MisdirectedRequest", f"This emulator answers only to {' and '.join(sorted(self.hosts))}."
            )

    def is_open(self, head: Head) -> bool:
        """Whether a request needs no signature, whoever sends it: sign-in pages, their tokens and public keys."""
        is_keys = head.method == "GET" and _PUBLIC_KEYS.fullmatch(head.path)
        if not is_keys and (head.method, head.path) not in _PAGES:
            return False
        names_a_client = head.header("authorization")[:6].lower() in ("", "basic ")
        return names_a_client and not head.is_query_signed and _has_only(head, set())

    def is_sign_in(self, head: Head) -> bool:
        """Whether it asks Cognito for a token."""
        if head.is_query_signed or "authorization" in head.headers or (head.method, head.path) != ("POST", "/"):
            return False
        service, _, operation = head.header("x-amz-target").partition(".")
        return service + "." == TARGETS["cognito-idp"] and operation in _PROOFS and _has_only(head, _SIGN_IN_HEADERS)

    def is_preflight(self, head: Head) -> bool:
        """Whether a browser asks if a page may send what is open to pages: a presigned URL, or a sign-in."""
        if head.method != "OPTIONS" or not head.origin or "access-control-request-method" not in head.headers:
            return False
        if head.is_query_signed:
            return self.is_bucket(head.path) and all(head.parameter(f"x-amz-{name}") for name in _PRESIGNATURE)
        pages = {path for _, path in _PAGES} | {"/"}
        return head.path in pages or _PUBLIC_KEYS.fullmatch(head.path) is not None

    def is_api_call(self, head: Head) -> bool:
        """Whether it goes to an API that is deployed to the emulator, which asks for a token itself."""
        deployed = "apigateway" in self.services and re.match(r"/restapis/\w+/\w+/_user_request_/", head.path)
        return bool(deployed) and not head.origin

    def check_scope(self, head: Head, service: str, region: str) -> None:
        """Raises RefusedCall unless the request is one for a service that the stack uses."""
        if service not in self.services or region not in {self.region, *(["us-east-1"] if service == "iam" else [])}:
            raise RefusedCall(403, "AccessDenied", f"This emulator does not offer {service} in {region}.")
        if service == "s3" and head.path != "/" and not self.is_bucket(head.path):
            raise RefusedCall(400, "InvalidBucketName", "The path must begin with the name of a bucket.")
        if prefix := TARGETS.get(service):
            is_call = (head.method, head.path) == ("POST", "/") and head.header("x-amz-target").startswith(prefix)
            if not is_call or "content-encoding" in head.headers:
                raise RefusedCall(400, "UnknownOperationException", f"A call of {service} is a POST of JSON to /.")

    @staticmethod
    def is_bucket(path: str) -> bool:
        bucket = bucket_of(path)
        return _BUCKET.fullmatch(bucket) is not None and bucket not in _NO_BUCKETS


def bucket_of(path: str) -> str:
    return path[1:].partition("/")[0]


def is_ready(head: Head) -> bool:
    """Returns whether it asks, from no page, if the emulator is ready."""
    return (head.method, head.path) == ("GET", READY) and not head.origin and not head.is_query_signed


def check_proof(head: Head, body: bytes) -> None:
    """Raises RefusedCall unless a sign-in offers what the emulator checks: a password, a proof of it or a refresh
    token."""
    operation = head.header("x-amz-target").rpartition(".")[2]
    field, allowed = _PROOFS[operation]
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    named = content.get(field) if isinstance(content, dict) else None
    if "content-encoding" in head.headers or not isinstance(named, str) or named not in allowed:
        wanted = ", ".join(sorted(allowed))
        raise RefusedCall(400, "InvalidParameterException", f"{operation} must be JSON with {field} one of {wanted}.")


def _has_only(head: Head, names: set[str]) -> bool:
    """Whether it has no headers of AWS but these."""
    return all(name in names for name in head.headers if name.startswith("x-amz-"))
