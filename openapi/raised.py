"""Which failures a function of the product can raise, read from its code: its own `raise` and those of all it calls.

What a name stands for is looked up in the function's module; what a method belongs to, by the annotation of the
parameter that it is called on. A class that is called or whose method is, is looked at with it.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any, get_args, get_type_hints

from chalicelib.errors import Failure

PRODUCT = "chalicelib"


def failures(function: Callable[..., Any]) -> set[type[Failure]]:
    found: set[type[Failure]] = set()
    seen: set[Any] = set()
    waiting = [function, inspect.unwrap(function)]
    while waiting:
        one = waiting.pop()
        if one not in seen and _is_ours(one):
            seen.add(one)
            named = set(_named(one))
            found |= {each for each in named if isinstance(each, type) and issubclass(each, Failure)}
            waiting += [each for each in named if inspect.isfunction(each)]
    return found - {Failure}


def _is_ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith(PRODUCT + ".")


@cache
def _named(function: FunctionType) -> frozenset[Any]:
    """Failures that it raises, and functions that it calls."""
    # Of the code, not of the function, which would be what it wraps.
    tree = ast.parse(textwrap.dedent(inspect.getsource(function.__code__)))
    names = _scope(function)
    return frozenset(each for node in ast.walk(tree) for each in _of_node(node, names))


def _scope(function: FunctionType) -> dict[str, Any]:
    inside = inspect.getclosurevars(function)
    wrapped = inspect.unwrap(function)
    hints = _hints(wrapped) if inspect.isfunction(wrapped) else {}
    return {**function.__globals__, **wrapped.__globals__, **hints, **inside.nonlocals}


def _hints(function: FunctionType) -> dict[str, Any]:
    return get_type_hints(function, localns=_Names(function.__globals__))


class _Unknown:
    """A type that the product names for the type checker only."""

    def __class_getitem__(cls, _: Any) -> type:
        return cls


class _Names(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, _Unknown)


def _of_node(node: ast.AST, names: dict[str, Any]) -> Iterator[Any]:
    match node:
        case ast.Raise(exc=ast.Call(func=raised)) | ast.Raise(exc=ast.Name() as raised):
            yield from _raised(_meaning(raised, names))
        case ast.Call(func=called):
            yield from _called(_meaning(called, names))


def _raised(what: Any) -> Iterator[Any]:
    """A failure, a method of one that makes it, or a function that answers with one."""
    owner = getattr(what, "__self__", what)
    if isinstance(owner, type):
        yield owner
    elif inspect.isfunction(what):
        returned = _hints(what).get("return")
        yield from get_args(returned) or [returned]


def _called(what: Any) -> Iterator[Any]:
    if inspect.ismethod(what):
        yield what.__func__
    elif inspect.isfunction(what):
        yield what
        yield inspect.unwrap(what)


def _meaning(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=name):
            return getattr(_meaning(value, names), name, None)
    return None
