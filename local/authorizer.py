"""Plays API Gateway's Cognito authorizer with scopes."""

import asyncio
import json
import time
import urllib.request
from typing import Any

import jwt

Claims = dict[str, Any]

_CACHED_TOKENS = 1000
_REFETCH_SECONDS = 10


class Unauthorized(Exception):
    """There is no token, or it is not good for this."""


class Keys:
    """The pool's public keys; an unknown key id makes them be fetched again, though not for every forgery."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Raises Unauthorized."""
        if key_id not in self._keys:
            async with self._fetching:
                if key_id not in self._keys and time.monotonic() - self._fetched > _REFETCH_SECONDS:
                    self._keys = await asyncio.to_thread(self._fetch)
                    self._fetched = time.monotonic()
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthorized("the key is unknown") from None

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        with urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310
            return {key["kid"]: jwt.PyJWK(key) for key in json.load(answer)["keys"]}


class Authorizer:
    def __init__(self, keys: Keys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._verified: dict[str, Claims] = {}

    async def authorize(self, headers: list[str], scopes: frozenset[str]) -> Claims:
        """The token's claims, for the values of all Authorization headers. Raises Unauthorized."""
        token = _token(headers)
        claims = self._verified.get(token) or await self._verify(token)
        if claims["exp"] <= time.time():
            self._verified.pop(token, None)
            raise Unauthorized("the token has expired")
        # As on API Gateway: a method with scopes takes access tokens, one without takes ID tokens.
        if claims.get("token_use") != ("access" if scopes else "id"):
            raise Unauthorized("it is another kind of token")
        if scopes and scopes.isdisjoint(str(claims.get("scope", "")).split()):
            raise Unauthorized("the token lacks the scope")
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise Unauthorized("the token names no key")
            claims: Claims = jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"require": ["exp", "iss", "token_use"], "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthorized(str(error)) from None
        if claims["token_use"] == "access" and not isinstance(claims.get("client_id"), str):  # noqa: S105
            raise Unauthorized("the token names no client")
        self._remember(token, claims)
        return claims

    def _remember(self, token: str, claims: Claims) -> None:
        if len(self._verified) >= _CACHED_TOKENS:
            self._verified.pop(next(iter(self._verified)))
        self._verified[token] = claims


def _token(headers: list[str]) -> str:
    """API Gateway takes the token with or without `Bearer` before it."""
    if len(headers) != 1:
        raise Unauthorized("there is no token" if not headers else "there is more than one token")
    scheme, _, token = headers[0].strip().rpartition(" ")
    if scheme.strip().lower() not in ("", "bearer") or not token:
        raise Unauthorized("it is not a bearer token")
    return token
