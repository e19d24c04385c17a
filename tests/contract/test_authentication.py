"""Who is let in, and what each kind of caller may do."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx import Client, Response

from local.tokens import password_token, sign_in
from tests.contract.builders import as_json, assert_problem, claims_of, one_shot
from tests.contract.conftest import ClientAs
from tests.contract.routes import PERMISSIONS, ROUTES, Route

Stack = dict[str, Any]

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

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


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def real(stack: Stack) -> tuple[str, str, Stack]:
    """A good token, its key id and its claims."""
    token = password_token(stack, "admin")
    return token, jwt.get_unverified_header(token)["kid"], jwt.decode(token, options={"verify_signature": False})


def garbage(_: Stack) -> str:
    return "garbage"


def three_parts_of_garbage(_: Stack) -> str:
    return "a.b.c"


def no_algorithm(stack: Stack) -> str:
    _, key_id, claims = real(stack)
    return jwt.encode(claims, "", algorithm="none", headers={"kid": key_id})


def hs256_with_the_public_key(stack: Stack) -> str:
    _, key_id, claims = real(stack)
    jwks = httpx.get(f"{stack['aws_endpoint_url']}/{stack['user_pool_id']}/.well-known/jwks.json").json()
    key = next(jwt.PyJWK(key).key for key in jwks["keys"] if key["kid"] == key_id)
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{text(as_json({'alg': 'HS256', 'kid': key_id, 'typ': 'JWT'}))}.{text(as_json(claims))}"
    return f"{signed}.{text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def another_pools_key(stack: Stack) -> str:
    _, _, claims = real(stack)
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": "another-pools-key"})


def no_key_id(stack: Stack) -> str:
    _, _, claims = real(stack)
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256")


def known_key_id_and_foreign_signature(stack: Stack) -> str:
    _, key_id, claims = real(stack)
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": key_id})


def the_forgers_key_in_the_header(stack: Stack) -> str:
    _, key_id, claims = real(stack)
    key = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": key_id, "jwk": key})


def claims_changed_after_signing(stack: Stack) -> str:
    head, _, signature = password_token(stack, "viewer").split(".")
    _, _, claims = real(stack)
    return f"{head}.{text(as_json(claims))}.{signature}"


def signature_cut_off(stack: Stack) -> str:
    token, _, _ = real(stack)
    return token.rpartition(".")[0] + "."


def id_token(stack: Stack) -> str:
    return sign_in(stack, "admin")["IdToken"]


def refresh_token(stack: Stack) -> str:
    return sign_in(stack, "admin")["RefreshToken"]


FORGERIES = [
    garbage,
    three_parts_of_garbage,
    no_algorithm,
    hs256_with_the_public_key,
    another_pools_key,
    no_key_id,
    known_key_id_and_foreign_signature,
    the_forgers_key_in_the_header,
    claims_changed_after_signing,
    signature_cut_off,
    id_token,
    refresh_token,
]


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_needs_a_token(anonymous: Client, route: Route) -> None:
    response = anonymous.request(route.method, route.path)

    assert_unauthorized(response)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_bad_token_is_unauthorized(anonymous: Client, stack: Stack, forgery: Callable[[Stack], str]) -> None:
    response = anonymous.get("/images", headers={"Authorization": f"Bearer {forgery(stack)}"})

    assert_unauthorized(response)


@pytest.mark.parametrize("value", ["Bearer", "Basic ZWRpdG9yOmVkaXRvcg==", ","])
def test_an_authorization_header_without_a_token_is_unauthorized(anonymous: Client, value: str) -> None:
    response = anonymous.get("/images", headers={"Authorization": value})

    assert_unauthorized(response)


def test_a_token_in_the_query_does_not_count(anonymous: Client, stack: Stack) -> None:
    response = anonymous.get("/images", params={"access_token": password_token(stack, "editor")})

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
