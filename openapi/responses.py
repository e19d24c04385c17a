"""What the calls answer: their own answers, and the problems that each can have."""

from collections import defaultdict
from typing import Any, get_type_hints

from chalicelib.errors import PROBLEM_JSON
from openapi import problems, schemas
from openapi.operations import Answer, Call
from openapi.problems import Problem, ProblemDetails
from openapi.schemas import Schema

HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The id of this request; give it when you report a problem.",
        "schema": {"type": "string", "example": problems.REQUEST_ID},
    },
    "Cache-Control": {
        "description": "No cache may keep an answer: it may name a patient's image, or carry a URL that opens one.",
        "schema": {"type": "string", "enum": ["no-store"]},
    },
    "ETag": {
        "description": "Stands for this version of the record; send it as `If-Match` with a change.",
        "schema": {"type": "string", "example": '"5d41402abc4b2a76b9719d911017c592"'},
    },
    "Location": {
        "description": "The URL of the record.",
        "schema": {
            "type": "string",
            "format": "uri",
            "example": "https://api.tagged-image-manager.example/v1/images/246471733248007",
        },
    },
    "Link": {
        "description": 'The URL of the next page, with `rel="next"`; absent on the last page.',
        "schema": {
            "type": "string",
            "example": "<https://api.tagged-image-manager.example/v1/images?limit=50&cursor=MjQ2NDcxNzMzMjQ4MDA3>;"
            ' rel="next"',
        },
    },
    "Retry-After": {
        "description": "After how many seconds to try again; of the 409, `request-in-progress` alone has it.",
        "schema": {"type": "integer", "minimum": 1, "example": 5},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate: by a bearer token.",
        "schema": {"type": "string", "example": "Bearer"},
    },
}


OF_BODIES = {400, 415}
"""What the gateway says of a body; calls without one do not speak of it."""


class Responses:
    def __init__(self, calls: list[Call], references: dict[Any, Schema], shapes: dict[str, Schema]) -> None:
        self._takers = {call.operation.id: call.path_parameters() for call in calls}
        self.links: dict[str, Schema] = {}
        self._references = references
        self._shapes = shapes
        self.components: dict[str, Schema] = {}
        self.examples = {
            problem.component: {"summary": problem.title, "value": problem.example}
            for problem in problems.every()
            if problem.slug != problems.NO_SUCH_PATH
        }

    def of(self, call: Call) -> Schema:
        answers: dict[int, list[Answer]] = defaultdict(list)
        for answer in call.answers:
            answers[answer.status].append(answer)
        refusals: dict[int, list[Problem]] = defaultdict(list)
        for problem in _problems(call):
            refusals[problem.status].append(problem)
        return {
            **{str(int(status)): self._answer(call, several) for status, several in sorted(answers.items())},
            **{str(int(status)): self._refusal(several) for status, several in sorted(refusals.items())},
        }

    def _answer(self, call: Call, answers: list[Answer]) -> Schema:
        first = answers[0]
        headers = _headers(*first.headers, optional=first.optional_headers)
        described: Schema = {"description": first.status.phrase, "headers": headers}
        if first.shape is not None:
            described["content"] = {"application/json": self._content([answer.shape for answer in answers])}
        links = self._links(call, first)
        return {**described, "links": links} if links else described

    def _links(self, call: Call, answer: Answer) -> Schema:
        """To every call whose path names what is answered, and to the next page."""
        names = []
        if answer.shape is not None and "id" in (hints := get_type_hints(answer.shape, include_extras=True)):
            for operation, parameters in self._takers.items():
                for parameter in (name for name, kind in parameters.items() if kind == hints["id"]):
                    names.append(operation)
                    self.links[operation] = _link(operation, parameter, "$response.body#/id")
        if answer.optional_headers:
            names.append(next_page := f"{call.operation.id}NextPage")
            self.links[next_page] = _link(call.operation.id, "cursor", "$response.body#/meta/next_cursor")
        return {name: {"$ref": f"#/components/links/{name}"} for name in names}

    def _content(self, shapes: list[Any]) -> Schema:
        references = [self._references[shape] for shape in shapes]
        if len(references) == 1:
            return {"schema": references[0], "example": schemas.example(references[0], self._shapes)}
        examples = {
            reference["$ref"].removeprefix(schemas.PREFIX): {"value": schemas.example(reference, self._shapes)}
            for reference in references
        }
        return {"schema": {"oneOf": references}, "examples": examples}

    def _refusal(self, several: list[Problem]) -> Schema:
        key = "Or".join(problem.component for problem in several)
        self.components[key] = {
            "description": " or ".join(f"{problem.title} (`{problem.slug}`)" for problem in several),
            "headers": _headers(*{header: None for problem in several for header in problem.headers}),
            "content": {
                PROBLEM_JSON: {
                    "schema": self._references[ProblemDetails],
                    "examples": {
                        problem.component: {"$ref": f"#/components/examples/{problem.component}"} for problem in several
                    },
                }
            },
        }
        return {"$ref": f"#/components/responses/{key}"}


def _problems(call: Call) -> list[Problem]:
    own = {problem.slug: problem for problem in map(problems.of, call.failures)}
    gateway = {
        problem.slug: problem
        for problem in problems.of_gateway()
        if problem.slug != problems.NO_SUCH_PATH and (call.has_body or problem.status not in OF_BODIES)
    }
    return problems.ordered({**gateway, problems.INTERNAL.slug: problems.INTERNAL, **own}.values())


def _headers(*names: str, optional: tuple[str, ...] = ()) -> Schema:
    """All but the optional ones are always there."""
    return {
        name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Cache-Control", *names, *optional)
    }


def _link(operation: str, parameter: str, value: str) -> Schema:
    return {"operationId": operation, "parameters": {parameter: value}}
