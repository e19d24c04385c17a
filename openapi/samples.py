"""How to make a call: with curl, Python and JavaScript."""

import json
import shlex
from typing import Any
from urllib.parse import quote, urlencode

from openapi.schemas import Schema

SHOWN = 3
"""Of the parameters of a query: enough to see how they are written."""


def of(server: str, path: str, method: str, operation: Schema, parameters: list[Schema]) -> str:
    url, query = _url(server, path, parameters, has_body="requestBody" in operation)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    headers = {each["name"]: each["example"] for each in parameters if each["in"] == "header"}
    languages = (
        ("sh", _curl(method.upper(), url, query, headers, body)),
        ("python", _python(method, url, query, headers, body)),
        ("js", _javascript(method.upper(), url, query, headers, body)),
    )
    return "\n\n".join(f"```{language}\n{code}\n```" for language, code in languages)


def _url(server: str, path: str, parameters: list[Schema], *, has_body: bool) -> tuple[str, dict[str, str]]:
    """Beside a JSON body no call takes a query."""
    query: dict[str, str] = {}
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(each["example"]), safe=""))
        elif each["in"] == "query" and not has_body and each["name"] not in ("page", "offset", "cursor"):
            query |= _written(each["name"], each["example"])
    return server + path, dict(list(query.items())[-SHOWN:])


def _written(name: str, example: Any) -> dict[str, str]:
    match example:
        case list():
            return {name: "|".join(example)}
        case dict():
            return {key: str(value) for key, value in example.items()}
        case bool():
            return {name: json.dumps(example)}
    return {name: str(example)}


def _curl(method: str, url: str, query: dict[str, str], headers: dict[str, str], body: Any) -> str:
    lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{shlex.quote(_whole(url, query))}"]
    lines.append('-H "Authorization: Bearer $TOKEN"')
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(lines)


def _python(method: str, url: str, query: dict[str, str], headers: dict[str, str], body: Any) -> str:
    own = "".join(f', "{name}": {value!r}' for name, value in headers.items())
    given = [f'headers={{"Authorization": f"Bearer {{token}}"{own}}}']
    given += [f"params={query!r}"] if query else []
    given += [f"json={body!r}"] if body is not None else []
    arguments = "".join(f"    {each},\n" for each in (f'"{url}"', *given))
    shown = "" if method == "delete" else "print(response.json())\n"
    return f"import httpx\n\nresponse = httpx.{method}(\n{arguments})\nresponse.raise_for_status()\n{shown}".rstrip()


def _javascript(method: str, url: str, query: dict[str, str], headers: dict[str, str], body: Any) -> str:
    sent = [f"  method: '{method}'"] if method != "GET" else []
    own = "".join(f", '{name}': {json.dumps(value)}" for name, value in headers.items())
    own += ", 'Content-Type': 'application/json'" if body is not None else ""
    sent.append(f"  headers: {{ Authorization: `Bearer ${{token}}`{own} }}")
    if body is not None:
        sent.append(f"  body: JSON.stringify({json.dumps(body, ensure_ascii=False)})")
    options = ",\n".join(sent)
    shown = "" if method == "DELETE" else "console.log(await response.json())"
    check = "if (!response.ok) throw new Error((await response.json()).detail)"
    return f"const response = await fetch('{_whole(url, query)}', {{\n{options},\n}})\n{check}\n{shown}".rstrip()


def _whole(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query, quote_via=quote)}" if query else url
