"""Clients of the running service, with real tokens, that hold every answer to the OpenAPI document. Nothing here knows
how the service is made."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from httpx import Client

from local.tokens import machine_token, password_token
from tests.contract import document

ClientAs = Callable[[str], Client]


@pytest.fixture(scope="session")
def client_with(stack: dict[str, Any]) -> Iterator[Callable[[str | None], Client]]:
    """A client with this access token, or with none."""
    with ExitStack() as open_clients:

        @cache
        def made(token: str | None) -> Client:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            hooks = {"response": [document.hold]}
            return open_clients.enter_context(
                Client(base_url=stack["api_url"], headers=headers, timeout=60, event_hooks=hooks)
            )

        yield made


@pytest.fixture(scope="session")
def client_as(stack: dict[str, Any], client_with: ClientAs) -> ClientAs:
    """A client signed in as a person: editor, viewer, admin, newcomer; or as a machine: machine/read and so on."""

    @cache
    def made(name: str) -> Client:
        kind, _, scope = name.partition("/")
        return client_with(
            machine_token(stack, [f"tagged-image-manager/{scope}"])
            if kind == "machine"
            else password_token(stack, name)
        )

    return made


@pytest.fixture(scope="session")
def anonymous(client_with: Callable[[str | None], Client]) -> Client:
    return client_with(None)


@pytest.fixture(scope="session")
def editor(client_as: ClientAs) -> Client:
    return client_as("editor")


@pytest.fixture(scope="session")
def viewer(client_as: ClientAs) -> Client:
    return client_as("viewer")


@pytest.fixture(scope="session")
def admin(client_as: ClientAs) -> Client:
    return client_as("admin")


@pytest.fixture
def unique() -> str:
    """A name that nothing else in the shared database has."""
    return f"t{secrets.token_hex(6)}xyz"
