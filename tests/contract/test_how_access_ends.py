"""Who sees what, and how soon someone who must not see it any more stops seeing it."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from httpx import Client

from local.tokens import sign_in
from tests.contract.builders import one_shot
from tests.contract.conftest import ClientAs

Stack = dict[str, Any]


@pytest.fixture
def cognito(stack: Stack) -> Any:
    return boto3.client(
        "cognito-idp",
        region_name=stack["region"],
        endpoint_url=stack["aws_endpoint_url"],
        aws_access_key_id=stack["aws_access_key_id"],
        aws_secret_access_key=stack["aws_secret_access_key"],
    )


@pytest.fixture
def leaver(stack: Stack, cognito: Any) -> Iterator[str]:
    """A user in the group `admins`, whom the stack's description knows like the others."""
    name, password = f"leaver-{secrets.token_hex(4)}", f"{secrets.token_urlsafe(18)}-aA1"
    pool = stack["user_pool_id"]
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName="admins")
    stack["users"][name] = {"password": password, "group": "admins"}
    yield name
    del stack["users"][name]
    cognito.admin_delete_user(UserPoolId=pool, Username=name)


def test_every_reader_sees_every_image_whoever_uploaded_it(client_as: ClientAs, unique: str) -> None:
    image = one_shot(client_as("machine/write"), tags=[unique])

    for reader in ("viewer", "editor", "machine/read"):
        (found,) = client_as(reader).get("/search/images", params={"exact_tags": unique}).json()["results"]
        assert found["id"] == image["id"]
        assert found["metadata"] == image["metadata"]
        assert httpx.get(found["url"]).status_code == 200


def test_a_group_that_was_taken_away_counts_until_the_token_expires_and_not_in_the_next(
    stack: Stack, cognito: Any, client_with: Callable[[str | None], Client], leaver: str
) -> None:
    before = sign_in(stack, leaver)
    cognito.admin_remove_user_from_group(UserPoolId=stack["user_pool_id"], Username=leaver, GroupName="admins")
    after = sign_in(stack, leaver)

    assert client_with(before["AccessToken"]).get("/access-log", params={"limit": 1}).status_code == 200
    assert client_with(after["AccessToken"]).get("/access-log", params={"limit": 1}).status_code == 403


def test_a_disabled_user_gets_no_new_token_by_password_or_refresh(stack: Stack, cognito: Any, leaver: str) -> None:
    tokens = sign_in(stack, leaver)
    cognito.admin_disable_user(UserPoolId=stack["user_pool_id"], Username=leaver)
    refresh = {"REFRESH_TOKEN": tokens["RefreshToken"]}
    password = {"USERNAME": leaver, "PASSWORD": stack["users"][leaver]["password"]}

    for flow, parameters in (("USER_PASSWORD_AUTH", password), ("REFRESH_TOKEN_AUTH", refresh)):
        with pytest.raises(cognito.exceptions.NotAuthorizedException):
            cognito.initiate_auth(ClientId=stack["client_id"], AuthFlow=flow, AuthParameters=parameters)


def test_a_download_url_opens_the_file_of_a_binned_image_until_it_expires(editor: Client, unique: str) -> None:
    image = one_shot(editor, tags=[unique])
    assert editor.delete(f"/images/{image['id']}").status_code == 204

    assert httpx.get(image["url"]).status_code == 200
