"""Tokens that only the pool itself could sign. The key that the local emulator keeps makes them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from httpx import Client, Response

from local.tokens import machine_token, password_token
from tests.conftest import eventually
from tests.contract.test_authentication import assert_unauthorized

Mint = Callable[..., dict[str, str]]


def minting(stack: dict[str, Any], genuine: str) -> Mint:
    state = Path(stack["log"]).parents[1]
    key = state / "emulator" / "state" / "cognito-pool-keys" / f"{stack['user_pool_id']}-access.pem"
    header = {"kid": jwt.get_unverified_header(genuine)["kid"]}
    claims = jwt.decode(genuine, options={"verify_signature": False})

    def mint(**changes: Any) -> dict[str, str]:
        """The Authorization header of a token with some claims changed, or left out where they are None."""
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return {"Authorization": f"Bearer {jwt.encode(kept, key.read_bytes(), algorithm='RS256', headers=header)}"}

    return mint


@pytest.fixture(scope="module")
def person(stack: dict[str, Any]) -> Mint:
    return minting(stack, password_token(stack, "editor"))


@pytest.fixture(scope="module")
def machine(stack: dict[str, Any]) -> Mint:
    return minting(stack, machine_token(stack, ["tagged-image-manager/read"]))


def test_a_minted_token_is_as_good_as_a_genuine_one(anonymous: Client, person: Mint, machine: Mint) -> None:
    for mint in (person, machine):
        response = anonymous.get("/images", headers=mint(jti="minted"))
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"exp": int(time.time()) - 1}, id="expired a second ago"),
        pytest.param({"exp": int(time.time()) - 86_400}, id="expired a day ago"),
        {"exp": None},
        {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_another"},
        {"iss": "https://example.org"},
        {"iss": None},
        {"token_use": "id"},
        {"token_use": "refresh"},
        {"token_use": None},
        {"scope": "openid profile"},
        {"scope": "tagged-image-manager/reading"},
        {"scope": "read"},
        {"scope": ""},
        {"scope": None},
    ],
    ids=str,
)
def test_a_signed_token_that_is_not_for_this_is_unauthorized(
    anonymous: Client, person: Mint, changes: dict[str, Any]
) -> None:
    response = anonymous.get("/images", headers=person(**changes))

    assert_unauthorized(response)


def test_a_token_that_was_good_is_refused_once_it_has_expired(anonymous: Client, person: Mint) -> None:
    headers = person(exp=int(time.time()) + 2)
    assert anonymous.get("/tags", params={"limit": 1}, headers=headers).status_code == 200

    def refused() -> Response | None:
        response = anonymous.get("/tags", params={"limit": 1}, headers=headers)
        return response if response.status_code != 200 else None

    response = eventually(refused, within=5, of="the token's expiry")

    assert response is not None
    assert_unauthorized(response)


@pytest.mark.parametrize(
    ("groups", "status"),
    [
        (["viewers"], 403),
        (["editors"], 201),
        (["viewers", "editors"], 201),
        (["editors", "viewers"], 201),
        (["visitors"], 201),
        (None, 201),
    ],
)
def test_a_persons_groups_say_what_they_may(
    anonymous: Client, person: Mint, unique: str, groups: list[str] | None, status: int
) -> None:
    response = anonymous.post("/tags", json={"name": unique}, headers=person(**{"cognito:groups": groups}))

    assert response.status_code == status


@pytest.mark.parametrize(
    ("group", "status"), [("nurses,admins", 200), ("nurses;admins", 403), ("admins ", 403), ("nurses, admins", 403)]
)
def test_a_group_with_a_comma_in_its_name_counts_as_the_groups_that_the_comma_separates(
    anonymous: Client, person: Mint, group: str, status: int
) -> None:
    """As on AWS, where the gateway joins groups by commas: no such group may be created there."""
    response = anonymous.get("/access-log", headers=person(**{"cognito:groups": [group]}))

    assert response.status_code == status


def test_a_persons_group_counts_and_not_the_scope_of_the_hosted_sign_in(
    anonymous: Client, person: Mint, unique: str
) -> None:
    everything = "openid tagged-image-manager/read tagged-image-manager/write tagged-image-manager/admin"
    headers = person(**{"cognito:groups": ["viewers"]}, scope=everything)

    assert anonymous.get("/tags", headers=headers).status_code == 200
    assert anonymous.post("/tags", json={"name": unique}, headers=headers).status_code == 403
    assert anonymous.get("/access-log", headers=headers).status_code == 403


def test_a_machine_cannot_help_itself_to_a_group(anonymous: Client, machine: Mint, unique: str) -> None:
    headers = machine(**{"cognito:groups": ["admins"]})

    response = anonymous.post("/tags", json={"name": unique}, headers=headers)

    assert response.status_code == 403


def test_a_machine_has_the_most_of_its_scopes(anonymous: Client, machine: Mint) -> None:
    headers = machine(scope="tagged-image-manager/read tagged-image-manager/admin")

    assert anonymous.get("/access-log", headers=headers).status_code == 200
