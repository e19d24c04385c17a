"""Images: register, browse, get, change, bin and restore."""

import re
import time
from typing import Any
from urllib.parse import unquote

import pytest
from httpx import Client, Response

from tests.contract.builders import (
    DATA,
    NO_IMAGE,
    Record,
    assert_problem,
    claims_of,
    downloaded,
    found,
    got,
    ids,
    inspected,
    names,
    one_shot,
    registered,
    storage,
    tag_path,
    uploaded,
)
from tests.contract.conftest import ClientAs

TIB = 1024**4
BAD_IDS = ["abc", "-1", "+1", "1.0", "1e3", "0x1", "%20", "1%20", "%D9%A1", "9223372036854775808", "1" * 40]
FILENAMES = [
    "chest.dcm",
    "Röntgen Thorax.dcm",
    "胸部X線.dcm",
    "🩻 scan 👩‍⚕️.dcm",
    'the "best" one.dcm',
    "100% sure %41 %.dcm",
    "semi;colon, comma='x'.dcm",
    "it's *(1)! [a]{b}.dcm",
    " surrounded by spaces ",
    "no extension",
    "...",
    ".hidden",
    "a+b&c=d?e#f.dcm",
    "e\u0301 decomposed.dcm",
    "x" * 255,
    "🩻" * 255,
]


def put_json(client: Client, image_id: int, body: Record, if_match: str | None = None) -> Response:
    return client.put(f"/images/{image_id}", json=body, headers={"If-Match": if_match} if if_match else {})


def etag_of(client: Client, image_id: int) -> str:
    return client.get(f"/images/{image_id}").headers["ETag"]


def filename_in(disposition: str) -> str:
    match = re.search(r"filename\*=UTF-8''([^;]+)", disposition)
    assert match, disposition
    return unquote(match[1])


# Register


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        *[
            ({"filename": name}, "filename")
            for name in ("", "a/b", "/", "a\\b", "a\nb", "a\0", "a\x7f", "a\x85", "x" * 256)
        ],
        *[({"filename": name}, "filename") for name in (None, 5, ["a"], True)],
        *[({"size": size}, "size") for size in (0, -1, 5 * TIB + 1, 10**30, "5", 1.5, True, None, [1])],
        *[
            ({"content_type": name}, "content_type")
            for name in ("", "dicom", "a/", "/b", "a/b c", "a/b\r\nX: y", "ü/x", 5)
        ],
        ({"content_type": "a/" + "b" * 254}, "content_type"),
        *[({"checksum_sha256": text}, "checksum_sha256") for text in ("", "ab", "g" * 64, "a" * 63, "a" * 65, 5)],
        ({"tags": [f"t{i}" for i in range(101)]}, "tags"),
        *[
            ({"tags": ["fine", name]}, "tags[1]")
            for name in ("", " ", "a|b", "a\tb", "a\0b", "a\x7fb", "x" * 161, 5, None)
        ],
        *[({"tags": tags}, "tags") for tags in ("ct", {"ct": 1}, None, 5)],
        *[({"metadata": {"k": value}}, "metadata.k") for value in ({}, {"a": 1}, [], [1], "a\0b")],
        ({"metadata": {f"k{i}": i for i in range(51)}}, "metadata"),
        ({"metadata": {"k": "x" * 17_000}}, "metadata"),
        ({"metadata": {"k": "ü" * 9_000}}, "metadata"),
        *[({"metadata": text}, "metadata") for text in (None, "", "a", 5)],
        ({"metadata": []}, "metadata"),
        *[({name: "x"}, name) for name in ("tag", "id", "status", "created_by", "Filename", "url")],
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_wrong_field_is_named(editor: Client, fields: Record, field: str) -> None:
    response = editor.post("/images", json={"filename": "chest.dcm", "size": 4, **fields})

    assert_problem(response, 400, field=field)


@pytest.mark.parametrize("key", ["", "x" * 129, "a\0b"])
def test_a_wrong_metadata_key_is_refused(editor: Client, key: str) -> None:
    response = editor.post("/images", json={"filename": "chest.dcm", "size": 4, "metadata": {key: 1}})

    (error,) = assert_problem(response, 400)["errors"]
    assert error["field"].startswith("metadata")


def test_every_wrong_field_is_named_at_once(editor: Client) -> None:
    response = editor.post("/images", json={"size": 0, "tags": ["a|b"], "nonsense": 1})

    fields = {error["field"] for error in assert_problem(response, 400)["errors"]}
    assert fields == {"filename", "size", "tags[0]", "nonsense"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"{'filename': 'a', 'size': 1}",
        b'{"filename": "a", "size": 1,}',
        b'{"filename": "a", "size": 1} x',
        b'{"filename": "a", "size": 01}',
        b'{"filename": "\\ud800", "size": 1}',
        b"[" * 100_000,
        b'{"metadata":' * 10_000,
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body)[:40],
)
def test_malformed_json_is_refused(editor: Client, body: bytes) -> None:
    response = editor.post("/images", content=body, headers={"Content-Type": "application/json"})

    assert_problem(response, 400)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_refused(editor: Client, body: bytes) -> None:
    response = editor.post("/images", content=body, headers={"Content-Type": "application/json"})

    assert_problem(response, 400)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_a_number_that_is_none_is_refused(editor: Client, number: str) -> None:
    bodies = ('{"filename": "a", "size": 1, "metadata": {"k": #}}', '{"filename": "a", "size": #}')

    for body in bodies:
        content = body.replace("#", number)
        assert_problem(editor.post("/images", content=content, headers={"Content-Type": "application/json"}), 400)


def test_what_is_not_said_has_defaults(editor: Client) -> None:
    image = got(editor, f"/images/{registered(editor, 7)['id']}")

    assert (image["tags"], image["metadata"], image["attributes"]) == ([], {}, {})
    assert (image["checksum_sha256"], image["preview_url"], image["rejection"]) == (None, None, None)
    assert image["content_type"]


def test_an_image_is_as_registered(client_as: ClientAs, unique: str) -> None:
    newcomer, before = client_as("newcomer"), int(time.time())
    fields = {
        "filename": "chest.dcm",
        "content_type": "application/dicom",
        "checksum_sha256": "ab" * 32,
        "metadata": {"s": "Stück", "i": 9007199254740993, "f": 0.1, "t": True, "n": None, "e": "", "deep.key": "👍"},
    }

    upload = registered(newcomer, 35_000_000, tags=[f"{unique}b", f" {unique}a "], **fields)

    image = got(newcomer, f"/images/{upload['id']}")
    assert {name: image[name] for name in fields} == fields
    assert image["size"] == 35_000_000
    assert sorted(names(image["tags"])) == [f"{unique}a", f"{unique}b"]
    assert image["created_by"] == claims_of(newcomer)["sub"]
    assert before <= image["created_timestamp"] <= time.time()
    assert image["metadata"]["t"] is True


@pytest.mark.parametrize("metadata", [{f"k{i}": i for i in range(50)}, {"k" * 128: "x"}, {"k": "x" * 16_000}])
def test_metadata_may_be_as_large_as_the_limit(editor: Client, metadata: Record) -> None:
    image_id = registered(editor, metadata=metadata)["id"]

    assert got(editor, f"/images/{image_id}")["metadata"] == metadata


def test_an_image_takes_a_hundred_tags(editor: Client, unique: str) -> None:
    wanted = [f"{unique} {i:03}" for i in range(100)]

    image_id = registered(editor, tags=wanted)["id"]

    assert names(got(editor, f"/images/{image_id}")["tags"]) == wanted


def test_a_tag_named_twice_is_there_once(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique, f" {unique}", unique])["id"]

    assert names(got(editor, f"/images/{image_id}")["tags"]) == [unique]


def test_ids_grow_with_creation_time(editor: Client) -> None:
    made = [registered(editor)["id"] for _ in range(10)]

    assert made == sorted(set(made))


# Browse


def test_browse_shows_the_newest_first(editor: Client) -> None:
    first, second = registered(editor)["id"], registered(editor)["id"]

    shown = ids(editor, "/images")

    assert [image_id for image_id in shown if image_id in (first, second)] == [second, first]
    assert shown == sorted(shown, reverse=True)


def test_browse_shows_whole_records(editor: Client, unique: str) -> None:
    image = uploaded(editor, tags=[unique], metadata={"a": 1})

    (shown,) = [each for each in got(editor, "/images")["results"] if each["id"] == image["id"]]

    fleeting = ("url", "url_expires_timestamp")
    assert {k: v for k, v in shown.items() if k not in fleeting} == {
        k: v for k, v in image.items() if k not in fleeting
    }
    assert downloaded(shown) == DATA


def test_browse_by_time_of_creation_includes_both_ends(editor: Client) -> None:
    image_id = registered(editor)["id"]
    moment = got(editor, f"/images/{image_id}")["created_timestamp"]

    assert image_id in ids(editor, "/images", start_timestamp=moment, end_timestamp=moment)
    assert image_id in ids(editor, "/images", start_timestamp=moment)
    assert image_id not in ids(editor, "/images", start_timestamp=moment + 1)
    assert image_id not in ids(editor, "/images", end_timestamp=moment - 1)
    assert ids(editor, "/images", start_timestamp=moment, end_timestamp=moment - 1) == []


def test_browse_takes_any_time(editor: Client) -> None:
    image_id = registered(editor)["id"]

    assert image_id in ids(editor, "/images", start_timestamp=0, end_timestamp=253402300799)
    assert ids(editor, "/images", end_timestamp=0) == []


def test_browse_can_leave_out_what_is_not_uploaded(editor: Client) -> None:
    there, pending = one_shot(editor)["id"], registered(editor)["id"]

    shown = ids(editor, "/images", uploaded_only="true")

    assert there in shown
    assert pending not in shown
    assert pending in ids(editor, "/images", uploaded_only="false")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start_timestamp", "yesterday"),
        ("start_timestamp", "1.5"),
        ("start_timestamp", "-1"),
        ("end_timestamp", ""),
        ("end_timestamp", "9" * 30),
        ("end_timestamp", ["1", "2"]),
        ("uploaded_only", "yes"),
        ("uploaded_only", ""),
        ("exact_tags", "ct"),
        ("start", "1"),
    ],
)
def test_browse_names_the_parameter_that_is_wrong(editor: Client, name: str, value: Any) -> None:
    assert_problem(editor.get("/images", params={name: value}), 400, field=name)


# Get and change


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/restore")])
def test_what_is_not_there_is_not_found(editor: Client, method: str, path: str) -> None:
    body = {"filename": "a"} if method == "PUT" else None

    problem = assert_problem(editor.request(method, f"/images/{NO_IMAGE}{path}", json=body), 404)

    assert problem["type"].endswith("image-not-found")


@pytest.mark.parametrize("image_id", BAD_IDS)
def test_an_id_that_is_none_is_refused(editor: Client, image_id: str) -> None:
    for response in (
        editor.get(f"/images/{image_id}"),
        editor.put(f"/images/{image_id}", json={"tags": []}),
        editor.delete(f"/images/{image_id}"),
        editor.put(f"/images/{image_id}/tags/ct"),
        editor.post(f"/images/{image_id}/upload", json={}),
    ):
        assert_problem(response, 400, field="image_id")


def test_the_etag_stays_as_long_as_the_image_does(editor: Client) -> None:
    image_id = inspected(editor, uploaded(editor)["id"])["id"]

    first, second = etag_of(editor, image_id), etag_of(editor, image_id)

    assert first == second
    assert re.fullmatch(r'"[^"]+"', first)


@pytest.mark.parametrize("change", [{"filename": "new.dcm"}, {"metadata": {"a": 2}}, {"tags": ["new"]}], ids=str)
def test_the_etag_changes_with_the_image(editor: Client, change: Record) -> None:
    image_id = inspected(editor, uploaded(editor)["id"])["id"]
    before = etag_of(editor, image_id)

    response = put_json(editor, image_id, change)

    assert response.headers["ETag"] == etag_of(editor, image_id) != before


def test_the_etag_changes_with_a_single_tag_and_with_its_name(editor: Client, unique: str) -> None:
    image_id = inspected(editor, uploaded(editor)["id"])["id"]
    seen = [etag_of(editor, image_id)]

    editor.put(tag_path(image_id, unique))
    seen.append(etag_of(editor, image_id))
    (tag,) = got(editor, f"/images/{image_id}")["tags"]
    editor.put(f"/tags/{tag['id']}", json={"name": f"{unique} renamed"})
    seen.append(etag_of(editor, image_id))

    assert len(set(seen)) == 3


def test_a_change_replaces_what_it_names_and_nothing_else(editor: Client, unique: str) -> None:
    image = one_shot(editor, tags=[f"{unique}a", f"{unique}b"], metadata={"a": 1, "b": 2})
    image_id = image["id"]

    tagged = put_json(editor, image_id, {"tags": [f"{unique}b", f"{unique}c"]}).json()
    described = put_json(editor, image_id, {"metadata": {"b": 3}}).json()
    named = put_json(editor, image_id, {"filename": "new.dcm"}).json()

    assert (names(tagged["tags"]), tagged["metadata"]) == ([f"{unique}b", f"{unique}c"], {"a": 1, "b": 2})
    assert (names(described["tags"]), described["metadata"]) == ([f"{unique}b", f"{unique}c"], {"b": 3})
    assert (named["filename"], named["metadata"]) == ("new.dcm", {"b": 3})
    assert names(got(editor, f"/images/{image_id}")["tags"]) == [f"{unique}b", f"{unique}c"]
    kept = ("id", "created_by", "created_timestamp", "uploaded_timestamp", "size", "checksum_sha256", "content_type")
    assert {name: named[name] for name in kept} == {name: image[name] for name in kept}


def test_a_change_can_take_everything_off(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique], metadata={"a": 1})["id"]

    image = put_json(editor, image_id, {"tags": [], "metadata": {}}).json()

    assert (image["tags"], image["metadata"]) == ([], {})


def test_anyone_who_may_write_may_change_the_image_of_another(client_as: ClientAs, unique: str) -> None:
    image_id = registered(client_as("newcomer"))["id"]

    response = put_json(client_as("editor"), image_id, {"tags": [unique]})

    assert response.status_code == 200
    assert response.json()["created_by"] == claims_of(client_as("newcomer"))["sub"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tags": None}, "tags"),
        ({"metadata": None}, "metadata"),
        ({"filename": None}, "filename"),
        ({"tags": ["a"], "metadata": None}, "metadata"),
        ({"tags": [f"t{i}" for i in range(101)]}, "tags"),
        ({"tags": ["a|b"]}, "tags[0]"),
        ({"metadata": {"a": []}}, "metadata.a"),
        ({"filename": "a/b"}, "filename"),
        ({"size": 5}, "size"),
        ({"status": "present"}, "status"),
        ({"content_type": "a/b"}, "content_type"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_change_is_named_and_changes_nothing(editor: Client, change: Record, field: str) -> None:
    image_id = registered(editor, metadata={"a": 1})["id"]
    before = etag_of(editor, image_id)

    assert_problem(put_json(editor, image_id, change), 400, field=field)

    assert etag_of(editor, image_id) == before


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_change_of_nothing_is_refused(editor: Client, body: bytes) -> None:
    image_id = registered(editor)["id"]

    response = editor.put(f"/images/{image_id}", content=body, headers={"Content-Type": "application/json"})

    assert_problem(response, 400)


def test_a_fresh_etag_lets_a_change_through(editor: Client) -> None:
    image_id = registered(editor)["id"]

    response = put_json(editor, image_id, {"metadata": {"a": 1}}, if_match=etag_of(editor, image_id))

    assert response.status_code == 200


@pytest.mark.parametrize("form", ["{}", '"other", {}', "{},{}", "*"])
def test_if_match_may_be_a_list_or_a_star(editor: Client, form: str) -> None:
    image_id = registered(editor)["id"]
    etag = etag_of(editor, image_id)

    assert put_json(editor, image_id, {"metadata": {"a": 1}}, if_match=form.format(etag, etag)).status_code == 200


def test_a_stale_etag_stops_a_change(editor: Client) -> None:
    image_id = registered(editor)["id"]
    stale = etag_of(editor, image_id)
    put_json(editor, image_id, {"metadata": {"first": 1}})

    response = put_json(editor, image_id, {"metadata": {"second": 2}}, if_match=stale)

    assert assert_problem(response, 412)["type"].endswith("precondition-failed")
    assert got(editor, f"/images/{image_id}")["metadata"] == {"first": 1}


@pytest.mark.parametrize("if_match", ['"nonsense"', "nonsense", "W/{}", '""', '"*"', '"a*"', '"a", *'])
def test_an_etag_that_does_not_match_strongly_stops_a_change(editor: Client, if_match: str) -> None:
    image_id = registered(editor)["id"]

    response = put_json(editor, image_id, {"metadata": {}}, if_match=if_match.format(etag_of(editor, image_id)))

    assert_problem(response, 412)


# The name of a download


@pytest.mark.parametrize("filename", FILENAMES, ids=lambda name: ascii(name)[:30])
def test_a_download_has_the_original_filename(editor: Client, filename: str) -> None:
    image = one_shot(editor, DATA, filename=filename)

    response = storage().get(image["url"])

    assert image["filename"] == filename
    assert response.content == DATA
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert filename_in(response.headers["Content-Disposition"]) == filename


def test_a_download_has_the_new_filename_after_a_change(editor: Client) -> None:
    image_id = one_shot(editor)["id"]

    image = put_json(editor, image_id, {"filename": "Neu & schön.dcm"}).json()

    assert filename_in(storage().get(image["url"]).headers["Content-Disposition"]) == "Neu & schön.dcm"


# The bin


def test_a_binned_image_is_gone_from_everywhere_at_once(editor: Client, unique: str) -> None:
    image = one_shot(editor, tags=[unique])
    (tag,) = image["tags"]

    response = editor.delete(f"/images/{image['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert_problem(editor.get(f"/images/{image['id']}"), 404)
    assert image["id"] not in ids(editor, "/images")
    assert found(editor, exact_tags=unique) == []
    assert found(editor, match_tags=unique) == []
    assert ids(editor, f"/tags/{tag['id']}/images") == []
    assert got(editor, f"/tags/{tag['id']}")["image_count"] == 0
    assert got(editor, "/search/images", exact_tags=unique)["meta"]["total_results"] == 0


def test_a_binned_image_takes_no_change(editor: Client, unique: str) -> None:
    image_id = registered(editor)["id"]
    editor.delete(f"/images/{image_id}")

    for response in (
        put_json(editor, image_id, {"tags": [unique]}),
        editor.put(tag_path(image_id, unique)),
        editor.delete(tag_path(image_id, unique)),
        editor.delete(f"/images/{image_id}"),
    ):
        assert_problem(response, 404)


def test_a_restored_image_is_as_it_was(editor: Client, unique: str) -> None:
    image = inspected(editor, uploaded(editor, tags=[f"{unique}a", f"{unique}b"], metadata={"a": 1})["id"])
    image_id, etag = image["id"], etag_of(editor, image["id"])
    editor.delete(f"/images/{image_id}")

    response = editor.post(f"/images/{image_id}/restore")

    assert response.status_code == 200
    assert response.headers["ETag"] == etag == etag_of(editor, image_id)
    restored = response.json()
    assert (restored["tags"], restored["metadata"]) == (image["tags"], {"a": 1})
    assert downloaded(restored) == DATA
    assert found(editor, exact_tags=[f"{unique}a", f"{unique}b"]) == [image_id]
    assert got(editor, f"/tags/{image['tags'][0]['id']}")["image_count"] == 1


def test_to_restore_what_is_not_in_the_bin_changes_nothing(editor: Client, unique: str) -> None:
    image_id = registered(editor, tags=[unique])["id"]
    etag = etag_of(editor, image_id)

    for _ in range(2):
        response = editor.post(f"/images/{image_id}/restore")
        assert (response.status_code, response.headers["ETag"]) == (200, etag)

    assert found(editor, exact_tags=unique) == [image_id]


@pytest.mark.parametrize("other", ["editor", "machine/write"])
def test_the_image_of_another_is_for_admins_to_bin_and_restore(client_as: ClientAs, admin: Client, other: str) -> None:
    image_id = registered(client_as("newcomer"))["id"]

    assert_problem(client_as(other).delete(f"/images/{image_id}"), 403)
    assert got(admin, f"/images/{image_id}")["id"] == image_id

    assert admin.delete(f"/images/{image_id}").status_code == 204
    binned, none = (client_as(other).post(f"/images/{each}/restore") for each in (image_id, NO_IMAGE))
    assert assert_problem(binned, 404)["detail"] == assert_problem(none, 404)["detail"].replace("1", str(image_id))
    assert admin.post(f"/images/{image_id}/restore").status_code == 200


def test_an_owner_restores_what_an_admin_binned(editor: Client, admin: Client) -> None:
    image_id = registered(editor)["id"]
    assert admin.delete(f"/images/{image_id}").status_code == 204

    assert editor.post(f"/images/{image_id}/restore").status_code == 200


def test_a_machine_may_bin_its_own(client_as: ClientAs) -> None:
    machine = client_as("machine/write")
    image_id = registered(machine)["id"]

    assert machine.delete(f"/images/{image_id}").status_code == 204
