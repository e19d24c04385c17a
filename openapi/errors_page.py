"""design-docs/errors.md: a section for each problem, under the name that its `type` ends with."""

import json

from openapi import problems
from openapi.problems import Problem

INTRODUCTION = """\
# Errors

Every error is `application/problem+json` (RFC 9457). Its `type` ends with one of the names below and stays the same for
good: that is what a program should look at. `detail` says in English what went wrong this time, `errors` names the
fields at fault, and `request_id`, also in the header `X-Request-Id`, finds the request in the service's log.

There are exceptions. On AWS, a firewall stands before the API in staging and production. What it refuses for its rate
(429) is a problem of type `application/json` without a `request_id`, since the request never reached the service. What
it refuses by its other rules is the problem `forbidden`, with one. The local gateway answers a wrong `Host` with 421
and the type `about:blank`, and what is not HTTP with 400 in plain text.

| problem | status | |
| --- | --- | --- |
"""


def made() -> str:
    every = problems.ordered([*problems.every(), *problems.of_local_gateway()])
    rows = "".join(f"| [`{each.slug}`](#{each.slug}) | {int(each.status)} | {each.title} |\n" for each in every)
    return INTRODUCTION + rows + "".join(map(_section, every))


def _section(problem: Problem) -> str:
    explanation = problem.explanation
    example = json.dumps(problem.example, indent=2, ensure_ascii=False)
    retry = "".join(f" With the header `{header}`." for header in problem.headers)
    return f"""
## {problem.slug}

**{int(problem.status)} {problem.title}.** {explanation.means}{retry}

What to do: {explanation.to_do}

```json
{example}
```
"""
