"""Requests that no HTTP client would send: whatever comes whole, the gateway answers, and nothing of ours breaks; what
breaks off is not done. How many: HOSTILE_REQUESTS=10000."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import eventually
from tests.contract import raw_http
from tests.contract.builders import Record, got
from tests.contract.fingerprint import Watch, watching
from tests.contract.routes import ROUTES

EXAMPLES = int(os.environ.get("HOSTILE_REQUESTS", "300"))

METHODS = st.sampled_from(
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "G\u00e9T", "A" * 100]
)
ODD = st.sampled_from(
    [
        "%",
        "%00",
        "%zz",
        "%2f",
        "%2e%2e",
        "..",
        "//",
        ";",
        "\\",
        "*",
        "{}",
        "%c0%af",
        "%ff",
        "\x01",
        "\u00e9",
        "?",
        "#",
        "a" * 3000,
    ]
)
PATHS = st.one_of(
    st.sampled_from([f"/v1{route.path}" for route in ROUTES]),
    st.builds("/v1{}".format, st.lists(ODD, max_size=4).map("/".join)),
    st.builds(lambda route, odd: f"/v1{route.path}{odd}", st.sampled_from(ROUTES), ODD),
    st.sampled_from(["*", "/", "", "http://evil.example/v1/images", "evil.example:443", "/docs/../v1/images"]),
)
QUERIES = st.one_of(
    st.just(""),
    st.lists(
        st.tuples(st.sampled_from(["limit", "cursor", "exact_tags", "metadata.a", "", "%00"]), ODD), max_size=4
    ).map(lambda pairs: "?" + "&".join(f"{name}={value}" for name, value in pairs)),
)
NAMES = st.sampled_from(
    [
        *("Authorization", "Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Host", "Expect"),
        *("Connection", "Upgrade", "If-Match", "Idempotency-Key", "User-Agent", "X-Forwarded-For", "Range", "Cookie"),
        *("Bad Name", "", "X\u00e9", "X-A" * 50),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", " ", "0", "-1", "+5", "5, 6", "99999999999999999999", "0x10", "chunked", "gzip, chunked", "identity"),
            *("application/json", "application/json; charset=utf-16", "image/png", "multipart/form-data", "*/*"),
            *("Bearer x", "100-continue", "close", "h2c", "\u00e9", "a\x00b", "a\tb", '"', "W/*", "a" * 9000),
        ]
    ),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            *(
                b"{}",
                b"[" * 5000,
                b'{"name": "\xff"}',
                b"\xff\xfe{\x00}\x00",
                b"5\r\nhello\r\n0\r\n\r\n",
                b"zz\r\n",
                b"0\r\n\r\n",
            ),
            *(b'{"name": 1e999}', b"null", b'""', b"\x1f\x8b\x08\x00", b'{"a":' * 500),
        ]
    ),
)


@pytest.fixture(scope="module")
def database(stack: dict[str, Any]) -> Iterator[Watch]:
    with watching(stack["database_url"]) as watch:
        yield watch


@given(
    method=METHODS,
    path=PATHS,
    query=QUERIES,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    body=BODIES,
    signed_in=st.booleans(),
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="HOSTILE_REQUESTS" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_bytes_come_nothing_of_ours_breaks(  # noqa: PLR0917 (hypothesis fills them in)
    stack: dict[str, Any],
    editor: Client,
    database: Watch,
    method: str,
    path: str,
    query: str,
    headers: raw_http.Headers,
    body: bytes,
    signed_in: bool,
) -> None:
    if signed_in:
        headers = [("Authorization", editor.headers["Authorization"]), *headers]
    headers, body = _complete(headers, body)
    request = raw_http.head(urlsplit(stack["api_url"]).netloc, method, path + query, headers, body) + body
    before = database.look()

    answer = raw_http.exchange(stack["api_url"], request, method)

    assert answer is not None, "the connection was closed without an answer"
    assert answer.status < 500, answer
    if answer.status >= 400:
        assert database.look() == before


def _complete(headers: raw_http.Headers, body: bytes) -> tuple[raw_http.Headers, bytes]:
    """Not waiting for more, which the gateway would have to do as well."""
    kept = [
        (name, value)
        for name, value in headers
        if not (name == "Content-Length" and re.fullmatch(r"\s*[0-9]+\s*", value) and int(value) > len(body))
    ]
    chunked = any(name == "Transfer-Encoding" for name, _ in kept)
    return kept, body + b"\r\n0\r\n\r\n" if chunked else body


BROKEN_OFF: dict[str, tuple[str, list[str], bytes]] = {
    "JSON that could be the whole": (
        "/tags",
        ["Content-Type: application/json", "Content-Length: 1000"],
        b'{"name": "MARK"}',
    ),
    "JSON in chunks": (
        "/tags",
        ["Content-Type: application/json", "Transfer-Encoding: chunked"],
        b'1c\r\n{"name": "MARK"}\r\n',
    ),
    "half a file": (
        "/upload?filename=a.dcm&tags=MARK",
        ["Content-Type: application/dicom", "Content-Length: 1000"],
        b"half of it",
    ),
    "nothing of the body": ("/upload?filename=a.dcm&tags=MARK", ["Content-Type: image/png", "Content-Length: 1"], b""),
}


@pytest.mark.parametrize("what", BROKEN_OFF)
def test_a_request_that_breaks_off_is_not_taken_for_a_whole_one(
    stack: dict[str, Any], editor: Client, unique: str, what: str
) -> None:
    target, lines, body = BROKEN_OFF[what]
    own = [f"Host: {urlsplit(stack['api_url']).netloc}", f"Authorization: {editor.headers['Authorization']}"]
    head = "\r\n".join([f"POST /v1{target} HTTP/1.1", *own, *lines, "", ""])
    log = Path(stack["log"])
    before = log.stat().st_size
    route = target.partition("?")[0]

    def told() -> list[Record]:
        with log.open() as file:
            file.seek(before)
            lines = [json.loads(line) for line in file if line.startswith("{") and line.endswith("}\n")]
        return [line for line in lines if line.get("route") == route]

    raw_http.break_off(stack["api_url"], (head.encode() + body).replace(b"MARK", unique.encode()))

    (line,) = eventually(told, of="the line of the log")
    assert (line["message"], line["status"]) == ("refused by the gateway", 502)
    assert got(editor, "/tags", match=f"{unique}%")["results"] == []


SMUGGLED = "GET /v1/access-log HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding : chunked"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding:\x0bchunked"],
        ["Content-Length: +5"],
        ["Content-Length: -5"],
        ["Content-Length: 5 5"],
        ["Content-Length: 0x5"],
        ["Content-Length : 5"],
        [" Content-Length: 5"],
        ["Host: evil.example"],
        ["Authorization: Bearer x", " folded"],
        ["X: a\x00b"],
        ["X\x00: a"],
    ],
    ids=ascii,
)
def test_a_request_that_two_readers_might_read_differently_is_refused(stack: dict[str, Any], lines: list[str]) -> None:
    host = urlsplit(stack["api_url"]).netloc
    first = "\r\n".join(["POST /v1/tags HTTP/1.1", f"Host: {host}", *lines, "", "0", "", SMUGGLED])

    answer = raw_http.exchange(stack["api_url"], first.encode("latin-1"), "POST")

    assert answer is not None
    assert answer.status == 400, answer


def test_a_request_without_a_host_or_with_two_is_a_problem_as_any_other(stack: dict[str, Any]) -> None:
    host = ("Host", urlsplit(stack["api_url"]).netloc)

    for hosts in ([host, host], [host, ("Host", "evil.example")], [("Host", "evil.example"), host]):
        answer = raw_http.ask(stack["api_url"], "GET", "/v1/tags", hosts)
        assert (answer.status, answer.json()["type"].rpartition("#")[2]) == (400, "malformed-request")
