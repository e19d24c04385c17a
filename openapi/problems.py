"""Problems: which there are, and what the contract says of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from chalicelib import errors
from chalicelib.errors import Failure
from chalicelib.routes.shapes.base import Answer
from chalicelib.routes.shapes.fields import says
from infrastructure.resources import GATEWAY_RESPONSES, LOCAL_GATEWAY_RESPONSES
from openapi.explanations import EXPLANATIONS, Explanation

TYPE_BASE = "https://tagged-image-manager.example/problems/"
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
NO_SUCH_PATH = "not-found"
"""The one problem that no operation can have."""

HEADERS_OF_GATEWAY = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}


@dataclass
class FieldError(Answer):
    field: Annotated[str, says("Which field or parameter.", "tags[2]")]
    message: Annotated[str, says("What is wrong with it.", "must have 1 to 160 characters")]


@dataclass
class ProblemDetails(Answer):
    """RFC 9457. `type` stays the same for good and is what a program should look at; `detail` is for people."""

    type: Annotated[str, says("Ends with the problem's name; where it is a link, it explains the problem.")]
    title: Annotated[str, says("The kind of problem.")]
    status: Annotated[int, says("The HTTP status.")]
    detail: Annotated[str, says("What went wrong this time.")]
    request_id: Annotated[str, says("The `X-Request-Id` of the answer.", REQUEST_ID)]
    errors: Annotated[list[FieldError], says("What is wrong with which field; at most 100.")] | None = None
    tag_id: Annotated[int, says("`tag-name-taken`: the tag that has the name.", 5, format="int64")] | None = None


@dataclass(frozen=True)
class Problem:
    slug: str
    status: HTTPStatus
    title: str
    example: dict[str, Any]
    headers: tuple[str, ...]

    @property
    def component(self) -> str:
        return "".join(word.title() for word in self.slug.split("-"))

    @property
    def explanation(self) -> Explanation:
        return EXPLANATIONS[self.slug]


def of(failure: type[Failure]) -> Problem:
    example = EXPLANATIONS[failure.slug].example or failure()  # type: ignore[call-arg]
    return _problem(failure.slug, failure.status, failure.title, example, tuple(failure.headers))


def of_gateway() -> list[Problem]:
    """What any request may meet before, or instead of, the service; of several of a name the first."""
    return _answered_by(GATEWAY_RESPONSES)


def of_local_gateway() -> list[Problem]:
    """Returns the problems that only the gateway of `make serve` answers with."""
    known = {problem.slug for problem in every()}
    return [problem for problem in _answered_by(LOCAL_GATEWAY_RESPONSES) if problem.slug not in known]


def _answered_by(responses: dict[str, tuple[int, str, str, str]]) -> list[Problem]:
    firsts = {slug: (status, title, detail) for status, slug, title, detail in reversed(responses.values())}
    return [
        _problem(slug, HTTPStatus(status), title, Failure(detail), HEADERS_OF_GATEWAY.get(status, ()))
        for slug, (status, title, detail) in firsts.items()
    ]


def every() -> list[Problem]:
    """By status, then name; what both the service and the gateway have is told once, in the service's words."""
    known = {problem.slug: problem for problem in (*of_gateway(), *map(of, failures()))}
    return ordered(known.values())


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.status, problem.slug))


def failures(kind: type[Failure] = Failure) -> Iterable[type[Failure]]:
    """All kinds of them."""
    for each in kind.__subclasses__():
        yield each
        yield from failures(each)


def _problem(slug: str, status: HTTPStatus, title: str, example: Failure, headers: tuple[str, ...]) -> Problem:
    content = {
        "type": TYPE_BASE + slug,
        "title": title,
        "status": int(status),
        "detail": example.detail,
        "request_id": REQUEST_ID,
        **example.members,
    }
    return Problem(slug, status, title, content, headers)


INTERNAL = of(errors.InternalError)
