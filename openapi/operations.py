"""The routes as they are registered: for each call, what it takes, what it answers, and what it refuses."""

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from app import app
from chalicelib.errors import (
    Failure,
    IdempotencyKeyReused,
    MalformedRequest,
    PayloadTooLarge,
    RequestInProgress,
    UnsupportedMediaType,
)
from chalicelib.routes import retries
from chalicelib.routes.answers import Listed
from chalicelib.routes.route import Operation
from chalicelib.routes.shapes.base import Body, Listing
from chalicelib.routes.shapes.fields import IdempotencyKey
from openapi import raised

OF_BODIES = {MalformedRequest, PayloadTooLarge, UnsupportedMediaType}
"""What is wrong with a body; a call that has none of its own does not speak of them."""

OF_KEYS = {IdempotencyKeyReused, RequestInProgress}


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    headers: tuple[str, ...]
    optional_headers: tuple[str, ...]
    shape: Any
    """None: no body."""


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    operation: Operation
    answers: list[Answer]
    failures: set[type[Failure]]

    @property
    def has_body(self) -> bool:
        return self.operation.body is not Body

    @property
    def module(self) -> ModuleType:
        found = inspect.getmodule(self.operation.view)
        assert found  # noqa: S101
        return found

    def path_parameters(self) -> dict[str, Any]:
        """What each is, by name."""
        hints = get_type_hints(self.operation.view, include_extras=True)
        return {name: kind for name, kind in hints.items() if f"{{{name}}}" in self.path}

    def headers(self) -> dict[str, Any]:
        hints = get_type_hints(self.operation.view, include_extras=True)
        named = {name.replace("_", "-").title(): hints[name] for name in self.operation.view.__kwdefaults__ or ()}
        return named | ({retries.HEADER: IdempotencyKey} if self.operation.is_repeated_by_key else {})


def calls() -> list[Call]:
    """In the order in which app.py registers them."""
    return [
        _call(method, path, entry.view_function)
        for path, methods in app.routes.items()
        for method, entry in methods.items()
    ]


def _call(method: str, path: str, checked: Any) -> Call:
    operation: Operation = checked.operation
    failures = raised.failures(checked)
    if not operation.is_repeated_by_key:
        failures -= OF_KEYS
    if operation.body is Body:
        failures -= OF_BODIES
    elif operation.body.max_bytes is None:
        failures -= {PayloadTooLarge}
    return Call(method, path, operation, list(_answers(operation)), failures)


def _answers(operation: Operation) -> Iterator[Answer]:
    returned = get_type_hints(operation.view)["return"]
    for kind in get_args(returned) if get_origin(returned) in (Union, UnionType) else [returned]:
        made = get_origin(kind) or kind
        (shape,) = get_args(kind) or (None,)
        yield Answer(
            made.status,
            getattr(made, "has", ()),
            getattr(made, "may_have", ()),
            types.GenericAlias(Listing, shape) if made is Listed else shape,
        )
