"""What Schemathesis needs to know beside the document: OpenAPI 3.0 has no words for it. Schemathesis loads it."""

import re
import uuid
from typing import Any
from urllib.parse import unquote

import schemathesis
from schemathesis import Case, HookContext, Response

from tests.contract import refused_requests  # noqa: F401 (hooks of its own)

PLACES = ("cursor", "page", "offset")
KEYS = ("user_id", "image_id", "tag_id", "day")
NAME_LISTS = ("exact_tags", "match_tags", "any_tags", "exclude_tags")
SPREAD = ("metadata", "attributes")
MAX_NAMES = 20
MAX_OFFSET = 10_000
MAX_VERIFIED_BYTES = 50_000_000_000
REFUSED = re.compile(r"[|\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffd-\uffff]")
ASTRAL_NONCHARACTERS = re.compile(
    f"[{''.join(chr(plane + last) for plane in range(0x10000, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))}]"
)

_next_pages: dict[str, dict[str, Any]] = {}
"""Queries with a cursor that the list itself gave, by its path."""


@schemathesis.hook
def before_load_schema(_: HookContext, schema: dict[str, Any]) -> None:
    """`x-propertyNames`, in words that JSON Schema's draft 4 knows."""
    _read(schema)


@schemathesis.hook
def filter_query(_: HookContext, query: dict[str, Any] | None) -> bool:
    """What goes over the wire as something else than it is: a null or an empty list is not sent at all, nor is anything
    spread that is no object, and a list of one name is its name."""
    given = query or {}
    kinds = {**dict.fromkeys(SPREAD, dict), **dict.fromkeys(NAME_LISTS, list)}
    return all(
        value not in (None, [], {}) and isinstance(value, kinds.get(name, object)) for name, value in given.items()
    )


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Makes a request that fits the schema fit the sentences beside it. One that is meant to be wrong stays so."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    # To set them again, even to what they are, makes Schemathesis judge them anew.
    if (query := _undeceiving(case.query)) != case.query:
        case.query = query
    if (body := _undeceiving(case.body)) != case.body:
        case.body = body
    _name(case)
    _conditions(case)
    if case.query:
        if "cursor" in case.query:
            case.query = dict(_next_pages.get(case.path, {}))
        _choose(case.query)
        _few_names(case.query)
        _bounds(case.query)
    _body(case)


@schemathesis.hook
def after_call(_: HookContext, case: Case[Any], response: Response) -> None:
    if response.status_code == 200 and case.method == "GET" and "next_cursor" in response.text:
        cursor = response.json()["meta"]["next_cursor"]
        if cursor:
            kept = {name: value for name, value in (case.query or {}).items() if name not in PLACES}
            _next_pages[case.path] = {**kept, "cursor": cursor}


def _name(case: Case[Any]) -> None:
    """A name that an answer gave is sent as it is: a percent sign in it may make it another, that no tag can have."""
    name = unquote(str(case.path_parameters.get("name", "ct")))
    if not name.strip() or not re.fullmatch(
        r"[^|\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffd-\uffff]+", name
    ):
        case.path_parameters["name"] = "ct"


def _conditions(case: Case[Any]) -> None:
    """A new key each time: with the example's, every request would get the first one's answer. And no version, which
    would be another record's."""
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.headers and "If-Match" in case.headers:
        del case.headers["If-Match"]


def _undeceiving(given: Any) -> Any:
    """Without the noncharacters beyond the first plane, which no pattern of the document can name."""
    match given:
        case str():
            return ASTRAL_NONCHARACTERS.sub("x", given)
        case list():
            return [_undeceiving(each) for each in given]
        case dict():
            return {_undeceiving(name): _undeceiving(value) for name, value in given.items()}
        case _:
            return given


def _choose(query: dict[str, Any]) -> None:
    """Of what excludes one another, the first; and no page beyond the offset's limit."""
    for names in (PLACES, KEYS):
        for name in [name for name in names if name in query][1:]:
            del query[name]
    if "page" in query:
        query["page"] = min(int(query["page"]), MAX_OFFSET // int(query.get("limit", 100)))


def _few_names(query: dict[str, Any]) -> None:
    left = MAX_NAMES
    for name in NAME_LISTS:
        if name in query:
            query[name] = query[name][:left]
            left -= len(query[name])
            if not query[name]:
                del query[name]


def _bounds(query: dict[str, Any]) -> None:
    """Of attributes: numbers, if they are none."""
    for name, value in query.items():
        if isinstance(value, dict):
            _bounds(value)
        elif name.startswith("attributes.") and name[-1] in "<>" and not re.fullmatch("[0-9]{1,9}", str(value)):
            query[name] = "512"


def _body(case: Case[Any]) -> None:
    match case.operation.definition.raw["operationId"], case.body:
        case "uploadImage", dict():
            case.query = {}
        case "uploadImage", _:
            case.query = {"filename": "chest.dcm", **(case.query or {})}
        case "completeUpload", {"parts": list() as parts}:
            case.body = {"parts": list({part["part_number"]: part for part in parts}.values())}
        case "registerImage", {"checksum_sha256": _, "size": int() as size} if size > MAX_VERIFIED_BYTES:
            case.body = _without(case.body, "checksum_sha256")
        case "renewUpload", {"first_part": _}:  # how many parts there are, the image's size says
            case.body = _without(case.body, "first_part")
        case "mergeTag", {"into": into} if str(into) == str(case.path_parameters["tag_id"]):
            case.body = {"into": 2**53}


def _without(body: Any, field: str) -> Any:
    return {name: value for name, value in body.items() if name != field}


def _read(node: Any) -> None:
    if isinstance(node, dict):
        names = node.pop("x-propertyNames", None)
        if names:
            node["patternProperties"] = {names["pattern"]: node["additionalProperties"]}
            node["additionalProperties"] = False
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _read(each)
