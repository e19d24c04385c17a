"""Access tokens of the running stack, as its clients get them."""

import base64
import fcntl
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from infrastructure import resources
from local import Trouble
from local.state import State
from local.user_pool import MACHINES

Stack = dict[str, Any]


def token_of(directory: Path, name: str) -> str:
    """For the command line; raises Trouble."""
    stack = State(directory).stack()
    if not stack or not _is_running(directory):
        raise Trouble(f"Nothing runs on {directory}; start it with `make serve`.")
    for permission, machine in MACHINES.items():
        if name == machine:
            return machine_token(stack, _scopes(permission))
    if name not in stack["users"]:
        raise Trouble(f"There is no user {name!r}; there are {', '.join((*stack['users'], *MACHINES.values()))}.")
    return password_token(stack, name)


def password_token(stack: Stack, name: str) -> str:
    """The access token from the sign-in with name and password."""
    return sign_in(stack, name)["AccessToken"]


def sign_in(stack: Stack, name: str) -> dict[str, str]:
    """`AccessToken`, `IdToken` and `RefreshToken` of a person."""
    body = {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": stack["client_id"],
        "AuthParameters": {"USERNAME": name, "PASSWORD": stack["users"][name]["password"]},
    }
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
    }
    answer = _post(stack["aws_endpoint_url"], json.dumps(body), headers)
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens


def machine_token(stack: Stack, scopes: list[str]) -> str:
    """Returns a token of the machine client with the least permission that may request these scopes."""
    least = next(each for each in resources.MACHINE_SCOPES if set(scopes) <= set(_scopes(each)))
    machine = stack["machines"][least]
    secret = f"{machine['client_id']}:{machine['client_secret']}"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}",
    }
    form = urlencode({"grant_type": "client_credentials", "scope": " ".join(scopes)})
    return str(_post(stack["token_url"], form, headers)["access_token"])


def _scopes(permission: str) -> list[str]:
    return [f"{resources.RESOURCE_SERVER}/{scope}" for scope in resources.MACHINE_SCOPES[permission]]


def _post(url: str, body: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Trouble(f"The user pool gives no token: {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise Trouble(f"The user pool does not answer at {url}: {error}") from None


def _is_running(directory: Path) -> bool:
    try:
        descriptor = os.open(directory / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
