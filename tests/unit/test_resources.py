"""The service and what is built around it name the same things; neither may import the other."""

from typing import get_args

import app
from chalicelib.aws.access_log import Index
from chalicelib.services import callers
from infrastructure import resources


def test_groups_and_scopes_are_the_ones_that_the_user_pool_gets() -> None:
    assert tuple(callers.GROUPS) == resources.GROUPS
    assert list(callers.SCOPES) == [f"{resources.RESOURCE_SERVER}/{scope}" for scope in resources.SCOPES]


def test_the_indexes_that_are_asked_are_the_ones_that_the_table_gets() -> None:
    assert set(get_args(Index)) == set(resources.ACCESS_LOG_INDEXES)


def test_the_handler_asks_for_the_storage_events_that_the_bucket_sends() -> None:
    (source,) = [handler for handler in app.app.event_sources if hasattr(handler, "events")]

    assert tuple(source.events) == resources.STORAGE_EVENTS


def test_every_route_takes_access_tokens() -> None:
    routes = [entry for methods in app.app.routes.values() for entry in methods.values()]

    assert routes
    assert all(entry.authorizer and entry.authorizer.scopes == callers.ACCEPTED_SCOPES for entry in routes)
