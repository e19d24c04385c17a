"""What `make serve` offers below /docs: the reference to read, the OpenAPI document, and the page about errors."""

import json
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise

import yaml
from markdown_it import MarkdownIt

from infrastructure.resources import STAGE
from local import ROOT
from local.proxy_response import Answer

DOCUMENT = ROOT / "design-docs" / "openapi" / "tagged-image-manager.yml"
ERRORS = ROOT / "design-docs" / "errors.md"
REDOC = files("flask_openapi3_redoc") / "templates" / "redoc" / "js" / "redoc.standalone.js"
"""Of that package only the script is used: it brings Redoc without npm."""

FONT = "system-ui, sans-serif"
THEME = {
    "typography": {
        "fontFamily": FONT,
        "headings": {"fontFamily": FONT},
        "code": {"fontFamily": "ui-monospace, monospace"},
    }
}
REFERENCE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; worker-src blob:; connect-src 'self';"
    " img-src 'self' data:"
)
"""Nothing comes from elsewhere."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Tagged Image Manager</title>
"""
REFERENCE = (
    PAGE
    + """<style>body {{ margin: 0 }} img[src*="cdn."] {{ display: none }}</style>
<redoc spec-url="/docs/openapi.json" theme='{theme}' path-in-middle-panel required-props-first></redoc>
<script src="/docs/redoc.js"></script>
</html>
"""
)
TEXT = (
    PAGE
    + """<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9em }}
pre {{ overflow-x: auto; padding: .75rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent) }}
:target {{ background: color-mix(in srgb, gold 35%, transparent) }}
</style>
{content}</html>
"""
)


def answer(path: str, host: str) -> Answer | None:
    """None for what is not there. `host` is how the client reached us; the document names it as the server."""
    make = _PAGES.get(path)
    return make(host) if make else None


def _reference(_: str) -> Answer:
    page = REFERENCE.format(theme=json.dumps(THEME))
    return _page("text/html; charset=utf-8", page, ("Content-Security-Policy", REFERENCE_POLICY))


def _document(host: str) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load(DOCUMENT.read_text())
    return document | {"servers": [{"url": f"http://{host}/{STAGE}"}]}


def _yaml(host: str) -> Answer:
    return _page("application/yaml", yaml.safe_dump(_document(host), sort_keys=False, allow_unicode=True))


def _json(host: str) -> Answer:
    return _page("application/json", json.dumps(_document(host), ensure_ascii=False))


def _errors(_: str) -> Answer:
    """Each heading is the anchor that a problem's `type` links to."""
    tokens = MarkdownIt().enable("table").parse(ERRORS.read_text())
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", words.content.strip("`"))
    content = MarkdownIt().renderer.render(tokens, MarkdownIt().options, {})
    return _page("text/html; charset=utf-8", TEXT.format(content=content))


def _script(_: str) -> Answer:
    return _page("text/javascript; charset=utf-8", REDOC.read_text())


def _page(content_type: str, content: str, *headers: tuple[str, str]) -> Answer:
    return Answer(200, [("Content-Type", content_type), ("Cache-Control", "no-cache"), *headers], content.encode())


_PAGES: dict[str, Callable[[str], Answer]] = {
    "/docs": _reference,
    "/docs/": _reference,
    "/docs/redoc.js": _script,
    "/docs/openapi.yml": _yaml,
    "/docs/openapi.json": _json,
    "/docs/errors": _errors,
}
