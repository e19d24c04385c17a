"""Which tokens the gateway lets in; the forgeries are made against a key set of our own."""

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm

from local.authorizer import Authorizer, Keys, Unauthorized

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_pool"
READ = frozenset({"tagged-image-manager/read", "aws.cognito.signin.user.admin"})
OURS, FOREIGN = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


class KeySet(Keys):
    """Of our own key alone, without a server; counts how often it is fetched."""

    def __init__(self) -> None:
        super().__init__("http://unused")
        self.fetches = 0

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        self.fetches += 1
        return {"known": jwt.PyJWK(RSAAlgorithm.to_jwk(OURS.public_key(), as_dict=True) | {"alg": "RS256"})}


def _claims(**changed: Any) -> dict[str, Any]:
    claims = {
        "sub": "someone",
        "iss": ISSUER,
        "client_id": "client",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
    } | changed
    return {name: value for name, value in claims.items() if value is not None}


def _token(key: Any = OURS, algorithm: str = "RS256", kid: str | None = "known", **changed: Any) -> str:
    return jwt.encode(_claims(**changed), key, algorithm, headers={"kid": kid} if kid else None)


def _signed_with_the_public_key() -> str:
    public = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # PyJWT refuses to sign like this, so it is done by hand.
    head, body = (
        jwt.utils.base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "known"}, _claims())
    )
    signature = HMACAlgorithm(HMACAlgorithm.SHA256).sign(head + b"." + body, public)
    return b".".join((head, body, jwt.utils.base64url_encode(signature))).decode()


def _ask(headers: list[str], scopes: frozenset[str] = READ) -> dict[str, Any]:
    return asyncio.run(Authorizer(KeySet(), ISSUER).authorize(headers, scopes))


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}", "{}"])
def test_a_good_token_is_let_in_with_and_without_the_scheme(form: str) -> None:
    assert _ask([form.format(_token())])["sub"] == "someone"


def test_any_one_of_the_scopes_will_do() -> None:
    assert _ask([f"Bearer {_token(scope='other tagged-image-manager/read')}"])["client_id"] == "client"


FORGERIES = {
    "alg none": lambda: jwt.encode(_claims(), "", "none", headers={"kid": "known"}),
    "HS256 signed with the public key": _signed_with_the_public_key,
    "another key": lambda: _token(FOREIGN, kid="another"),
    "a known key id with a foreign signature": lambda: _token(FOREIGN),
    "another algorithm": lambda: _token(algorithm="RS512"),
    "no key id": lambda: _token(kid=None),
    "expired": lambda: _token(exp=int(time.time()) - 1),
    "no expiry": lambda: _token(exp=None),
    "not yet valid": lambda: _token(nbf=int(time.time()) + 60),
    "an ID token": lambda: _token(token_use="id", aud="client", client_id=None),
    "no use": lambda: _token(token_use=None),
    "no scope": lambda: _token(scope=None),
    "another scope": lambda: _token(scope="openid tagged-image-manager/readings"),
    "no client": lambda: _token(client_id=None),
    "another pool": lambda: _token(iss=ISSUER + "2"),
    "no issuer": lambda: _token(iss=None),
    "garbage": lambda: "garbage",
    "cut off": lambda: _token()[:-10],
    "one letter changed": lambda: _token().replace(".", ".f", 1),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused(forgery: Any) -> None:
    with pytest.raises(Unauthorized):
        _ask([f"Bearer {forgery()}"])


@pytest.mark.parametrize("headers", [[], [""], ["Bearer"], ["Bearer "], ["Basic {}"], ["Bearer {}", "Bearer {}"]])
def test_no_token_and_two_tokens_are_refused(headers: list[str]) -> None:
    with pytest.raises(Unauthorized):
        _ask([header.format(_token()) for header in headers])


@given(st.text())
def test_no_text_at_all_breaks_it(text: str) -> None:
    with pytest.raises(Unauthorized):
        _ask([text])


def test_a_method_without_scopes_takes_id_tokens_only() -> None:
    assert _ask([_token(token_use="id", client_id=None)], frozenset())["token_use"] == "id"
    with pytest.raises(Unauthorized):
        _ask([_token()], frozenset())


def test_a_token_verified_before_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice() -> None:
        asked = Authorizer(KeySet(), ISSUER)
        token = _token()
        await asked.authorize([token], READ)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 61)
        with pytest.raises(Unauthorized):
            await asked.authorize([token], READ)

    asyncio.run(twice())


def test_unknown_key_ids_do_not_make_it_fetch_the_keys_each_time() -> None:
    async def several() -> int:
        keys = KeySet()
        asked = Authorizer(keys, ISSUER)
        for number in range(5):
            with pytest.raises(Unauthorized):
                await asked.authorize([_token(FOREIGN, kid=f"unknown-{number}")], READ)
        await asked.authorize([_token()], READ)
        return keys.fetches

    assert asyncio.run(several()) == 1
