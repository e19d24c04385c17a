"""Which problems a call can have is read from its code."""

from collections.abc import Callable

import pytest

from chalicelib.database import search
from chalicelib.database.engine import transaction
from chalicelib.errors import (
    Failure,
    Forbidden,
    ImageNotFound,
    InvalidRequest,
    MalformedRequest,
    PreconditionFailed,
    TagNameTaken,
    TooCostly,
    Unavailable,
)
from chalicelib.routes.request import parsed_body
from chalicelib.services import images, tags, uploads
from openapi import operations, problems, raised
from openapi.explanations import EXPLANATIONS


@pytest.mark.parametrize(
    ("function", "failures"),
    [
        (images.replace, {ImageNotFound, PreconditionFailed}),
        (images.delete, {Forbidden, ImageNotFound, PreconditionFailed}),
        (uploads.store, {Unavailable}),
        (search.find, {TooCostly}),
        (transaction, {TooCostly, Unavailable}),
        (parsed_body, {MalformedRequest, InvalidRequest}),
    ],
)
def test_failures_are_found_however_deep_they_are_raised(
    function: Callable[..., object], failures: set[type[Failure]]
) -> None:
    assert raised.failures(function) == failures


def test_a_failure_that_nothing_raises_on_the_way_is_not_found() -> None:
    assert TagNameTaken in raised.failures(tags.rename)
    assert TagNameTaken not in raised.failures(tags.create)


def test_every_problem_is_explained_and_every_explanation_is_of_a_problem() -> None:
    every = (*problems.every(), *problems.of_local_gateway())
    assert {problem.slug for problem in every} == set(EXPLANATIONS)


def test_every_failure_of_the_service_is_one_that_some_call_can_have() -> None:
    possible = {failure for call in operations.calls() for failure in call.failures}

    assert {failure.slug for failure in possible} | {"internal-error"} == {
        problem.slug for problem in map(problems.of, problems.failures())
    }
