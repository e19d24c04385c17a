"""What is written to deceive, to break out of where it stands, or in an encoding that nobody asked for."""

import gzip
import json
import time
import zlib
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from httpx import Client, Response

from tests.contract.builders import (
    as_json,
    assert_problem,
    claims_of,
    got,
    ids,
    names,
    one_shot,
    registered,
    storage,
    tag_path,
)

JSON = {"Content-Type": "application/json"}
BIDI = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
WRONGLY_ENCODED = ["\ufffd", "\ufffe", "\uffff", "\ufdd0", "\ufdef", "\U0001fffe", "\U0010ffff"]
DECEIVING = [*BIDI, *WRONGLY_ENCODED]

CURIOUS = [
    "صورة الصدر",
    "תמונה",
    "a\u200fb",
    "\U0001f468\u200d\u2695\ufe0f",
    "नमस्ते",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    '=HYPERLINK("http://evil.example")',
    "'; DROP TABLE images; --",
    "<script>alert(1)</script>",
    "${jndi:ldap:x}",
    "{{7*7}}",
    "%s%n",
    "$(id)",
    "`id`",
    "NULL",
    "nan",
    "__proto__",
]
"""Odd, but nobody's deceit: data, and kept as they are."""


def posted(client: Client, path: str, body: bytes, **headers: str) -> Response:
    return client.post(
        path, content=body, headers=JSON | {name.replace("_", "-"): each for name, each in headers.items()}
    )


# Names


@pytest.mark.parametrize("mark", DECEIVING, ids=lambda mark: f"U+{ord(mark):04X}")
def test_a_name_with_a_mark_that_deceives_is_refused_wherever_names_are_given(
    editor: Client, unique: str, mark: str
) -> None:
    image_id, tag_id = registered(editor)["id"], editor.post("/tags", json={"name": unique}).json()["id"]
    name, raw = f"{unique}{mark}gpj.exe", {"Content-Type": "image/png"}

    for field, response in (
        ("filename", editor.post("/images", json={"filename": name, "size": 1})),
        ("filename", editor.post("/upload", json={"filename": name, "image_data": "YQ=="})),
        ("filename", editor.post("/upload", params={"filename": name}, content=b"a", headers=raw)),
        ("filename", editor.put(f"/images/{image_id}", json={"filename": name})),
        ("tags[0]", editor.post("/images", json={"filename": "a", "size": 1, "tags": [name]})),
        ("tags[1]", editor.put(f"/images/{image_id}", json={"tags": ["a", name]})),
        ("tags[0]", editor.post("/upload", params={"filename": "a", "tags": name}, content=b"a", headers=raw)),
        ("name", editor.post("/tags", json={"name": name})),
        ("name", editor.put(f"/tags/{tag_id}", json={"name": name})),
        ("name", editor.put(tag_path(image_id, name))),
        ("name", editor.delete(tag_path(image_id, name))),
        ("exact_tags[0]", editor.get("/search/images", params={"exact_tags": name})),
    ):
        assert_problem(response, 400, field=field, saying=f"U+{ord(mark):04X}")

    assert [tag["name"] for tag in got(editor, "/tags", match=f"{unique}%")["results"]] == [unique]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_filename_that_is_a_directory_is_refused(editor: Client, name: str) -> None:
    assert_problem(editor.post("/images", json={"filename": name, "size": 1}), 400, field="filename")


@pytest.mark.parametrize("name", ["...", ".hidden", "a..", "a.", ". ."])
def test_a_filename_that_only_has_dots_too_is_taken(editor: Client, name: str) -> None:
    assert got(editor, f"/images/{registered(editor, filename=name)['id']}")["filename"] == name


@pytest.mark.parametrize("name", CURIOUS, ids=ascii)
def test_what_is_only_data_is_kept_as_it_is(editor: Client, unique: str, name: str) -> None:
    filename, tag = name.replace("/", "_"), f"{name}{unique}"

    image = one_shot(editor, filename=filename, tags=[tag], metadata={name: name})

    assert (image["filename"], names(image["tags"]), image["metadata"]) == (filename, [tag], {name: name})
    assert ids(editor, "/search/images", **{"exact_tags": tag, f"metadata.{name}": name}) == [image["id"]]
    assert quote(filename, safe="") in storage().get(image["url"]).headers["Content-Disposition"]


@pytest.mark.parametrize("name", ["\x00", "a\r\nX-Evil: 1", "\x1b[2J", "\x7f", "\x85", "a\tb"], ids=ascii)
def test_control_characters_are_refused_in_names_and_keys(editor: Client, name: str) -> None:
    draft = {"filename": "a", "size": 1}

    assert_problem(editor.post("/images", json=draft | {"filename": name}), 400, field="filename")
    assert_problem(editor.post("/images", json=draft | {"tags": [name]}), 400, field="tags[0]")
    assert_problem(editor.post("/tags", json={"name": name}), 400, field="name")
    assert editor.post("/images", json=draft | {"metadata": {name: 1}}).status_code == 400
    assert_problem(editor.get("/tags", params={"match": name}), 400, field="match")
    assert_problem(editor.get("/search/images", params={"created_by": name}), 400, field="created_by")


@pytest.mark.parametrize("half", [r"\ud800", r"\udfff", r"a\udc00b", r"\ud800\ud800"])
@pytest.mark.parametrize(
    "field", ['"filename": "{}"', '"tags": ["{}"]', '"metadata": {{"{}": 1}}', '"metadata": {{"a": "{}"}}']
)
def test_half_a_surrogate_pair_is_a_bad_request(editor: Client, field: str, half: str) -> None:
    given = field.format(half)
    body = f'{{"size": 1, {given}}}' if "filename" in given else f'{{"filename": "a", "size": 1, {given}}}'

    assert_problem(posted(editor, "/images", body.encode()), 400)


@pytest.mark.parametrize("cursor", ["AAAA", "bnVsbA", "W10", "e30", "MWU5OTk", "\U0010ffff", "a" * 5000, "'", "../x"])
def test_a_cursor_that_no_list_gave_is_refused(editor: Client, admin: Client, cursor: str) -> None:
    for response in (
        editor.get("/images", params={"cursor": cursor}),
        editor.get("/tags", params={"cursor": cursor}),
        admin.get("/access-log", params={"cursor": cursor}),
    ):
        assert_problem(response, 400, field="cursor")


# Bodies


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tags", '{{"name": "{0}a", "name": "{0}b"}}', "name"),
        ("/tags", '{{"name": "{0}a", "n\\u0061me": "{0}b"}}', "name"),
        ("/images", '{{"filename": "a", "size": 1, "size": 1}}', "size"),
        ("/images", '{{"filename": "a", "size": 1, "tags": ["{0}"], "tags": []}}', "tags"),
        ("/images", '{{"filename": "a", "size": 1, "metadata": {{"ward": 1, "ward": 2}}}}', "ward"),
        ("/upload", '{{"filename": "a", "image_data": "YQ==", "filename": "b"}}', "filename"),
    ],
)
def test_a_key_that_comes_twice_is_refused_and_named(
    editor: Client, unique: str, path: str, body: str, field: str
) -> None:
    response = posted(editor, path, body.format(unique).encode())

    assert_problem(response, 400, field=field, saying="more than once")
    assert ids(editor, "/tags", match=f"{unique}%") == []


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "utf-8-sig"]
)
def test_a_body_in_another_encoding_is_a_bad_request(editor: Client, unique: str, encoding: str) -> None:
    body = f'{{"filename": "a", "size": 1, "tags": ["{unique}"], "metadata": {{"ward": "Münster"}}}}'.encode(encoding)

    assert_problem(posted(editor, "/images", body), 400)

    assert ids(editor, "/tags", match=f"{unique}%") == []


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"])
def test_a_body_that_is_not_utf_8_is_a_bad_request(editor: Client, raw: bytes) -> None:
    body = b'{"filename": "a", "size": 1, "metadata": {"a": "' + raw + b'"}}'

    assert_problem(posted(editor, "/images", body), 400, saying="UTF-8")


def test_the_replacement_character_is_taken_where_it_is_meant(editor: Client) -> None:
    body = b'{"filename": "a", "size": 1, "metadata": {"a": "\\ufffd"}}'

    image_id = posted(editor, "/images", body).json()["id"]

    assert got(editor, f"/images/{image_id}")["metadata"] == {"a": "\ufffd"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "identity, gzip", "x"])
def test_a_compressed_body_is_refused_and_never_inflated(editor: Client, unique: str, encoding: str) -> None:
    body = gzip.compress(as_json({"name": unique}))

    assert_problem(posted(editor, "/tags", body, Content_Encoding=encoding), 415, saying="Content-Encoding")
    raw = {"Content-Type": "application/gzip", "Content-Encoding": encoding}
    assert_problem(editor.post("/upload", params={"filename": "a"}, content=body, headers=raw), 415)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_bomb_does_not_go_off(editor: Client, pack: Any) -> None:
    bomb = pack(pack(bytes(200_000_000)))
    assert len(bomb) < 20_000
    started = time.monotonic()

    refused = posted(editor, "/tags", bomb, Content_Encoding="gzip, gzip")
    stored = editor.post(
        "/upload", params={"filename": "a.nii.gz"}, content=bomb, headers={"Content-Type": "application/gzip"}
    )

    assert_problem(refused, 415)
    assert stored.json()["size"] == len(bomb)
    assert time.monotonic() - started < 5


def test_identity_is_no_encoding(editor: Client, unique: str) -> None:
    assert posted(editor, "/tags", as_json({"name": unique}), Content_Encoding="identity").status_code == 201


def test_a_body_of_json_under_another_type_is_not_read(editor: Client, unique: str) -> None:
    for content_type in (
        "text/json",
        "application/json5",
        "application/x-ndjson",
        "application/ld+json",
        "application/yaml",
    ):
        headers = {"Content-Type": content_type}
        assert_problem(editor.post("/tags", content=as_json({"name": unique}), headers=headers), 415)


# Headers


def test_override_headers_change_nothing(editor: Client) -> None:
    image_id = registered(editor)["id"]

    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert editor.get(f"/images/{image_id}", headers={header: "DELETE"}).status_code == 200

    assert editor.get(f"/images/{image_id}").status_code == 200


def test_forwarding_headers_do_not_change_who_it_was_or_where_links_lead(editor: Client, admin: Client) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Real-IP": "203.0.113.9"}

    response = editor.post("/images", json={"filename": "a", "size": 1}, headers=headers)

    assert response.headers["Location"].startswith(str(editor.base_url))
    (record,) = got(admin, "/access-log", image_id=response.json()["id"])["results"]
    assert record["source_ip"] == "127.0.0.1"
    assert record["user_id"] == claims_of(editor)["sub"]


# Downloads


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "text/javascript",
        "text/css",
    ],
)
def test_what_a_browser_might_run_comes_as_bytes_to_be_saved(editor: Client, content_type: str) -> None:
    page = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"

    image = one_shot(editor, page, filename="page.html", content_type=content_type)

    answer = storage().get(image["url"])
    assert (answer.content, answer.headers["Content-Type"]) == (page, "application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert image["content_type"] == content_type


@pytest.mark.parametrize(
    ("declared", "served"),
    [
        ("application/dicom", "application/dicom"),
        ("image/png", "image/png"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/png; charset=utf-8", "image/png"),
        ("application/pdf", "application/octet-stream"),
    ],
)
def test_an_image_comes_as_what_it_is(editor: Client, declared: str, served: str) -> None:
    answer = storage().get(one_shot(editor, content_type=declared)["url"])

    assert answer.headers["Content-Type"] == served
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("parameter", ["response-content-type", "response-content-disposition"])
def test_nobody_makes_the_storage_say_something_else(editor: Client, parameter: str) -> None:
    url = httpx.URL(one_shot(editor, content_type="image/png")["url"])

    changed = storage().get(url.copy_set_param(parameter, "text/html"))
    left_out = storage().get(url.copy_remove_param(parameter))

    assert (changed.status_code, left_out.status_code) == (403, 403)


def test_an_answer_of_the_api_is_no_page(editor: Client) -> None:
    script = "<script>alert(1)</script>"

    for response in (
        editor.get("/search/images", params={script: "1"}),
        editor.get(f"/images/{quote(script, safe='')}"),
        editor.post("/tags", json={"name": f"{script}|"}),
        editor.get(f"/{quote(script)}"),
    ):
        assert assert_problem(response, response.status_code)
        assert json.loads(response.text)
