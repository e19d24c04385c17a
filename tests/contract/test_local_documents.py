"""What `make serve` offers below /docs."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import yaml
from httpx import Client

from openapi import DOCUMENT, ERRORS


@pytest.fixture
def origin(stack: dict[str, Any]) -> str:
    return str(httpx.URL(stack["api_url"]).join("/"))


@pytest.mark.parametrize(("form", "read"), [("yml", yaml.safe_load), ("json", json.loads)])
def test_the_document_is_served_and_names_the_server_that_serves_it(
    stack: dict[str, Any], origin: str, form: str, read: Callable[[str], Any]
) -> None:
    served = httpx.get(f"{origin}docs/openapi.{form}")

    committed = yaml.safe_load(DOCUMENT.read_text())
    assert read(served.text) == committed | {"servers": [{"url": stack["api_url"]}]}


def test_the_reference_loads_nothing_from_elsewhere(origin: str) -> None:
    page = httpx.get(f"{origin}docs")

    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert re.findall('(?:src|spec-url)="(.*?)"', page.text) == ["/docs/openapi.json", "/docs/redoc.js"]
    assert "Redoc" in httpx.get(f"{origin}docs/redoc.js").text


def test_the_type_of_a_problem_leads_to_its_explanation(editor: Client, anonymous: Client) -> None:
    for problem in (editor.get("/images/1").json(), anonymous.get("/tags").json(), editor.get("/nothing").json()):
        page = httpx.get(problem["type"])

        assert page.status_code == 200
        assert f'<h2 id="{problem["type"].partition("#")[2]}">' in page.text


def test_every_problem_has_a_section(origin: str) -> None:
    page = httpx.get(f"{origin}docs/errors").text

    sections = re.findall("^## (.*)$", ERRORS.read_text(), re.MULTILINE)
    assert re.findall('<h2 id="(.*?)">', page) == sections
    assert set(re.findall('<a href="#(.*?)">', page)) == set(sections)


@pytest.mark.parametrize("path", ["docs/nothing", "docs/../v1/images", "docsx"])
def test_nothing_else_is_there(origin: str, path: str) -> None:
    assert httpx.get(f"{origin}{path}").status_code in {401, 404}
