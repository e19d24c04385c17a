"""How files come in: in one shot, by presigned URL, and in parts."""

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Client, Response
from pydicom.data import get_testdata_file

from tests.conftest import eventually
from tests.contract.builders import (
    DATA,
    NO_IMAGE,
    Record,
    as_json,
    assert_problem,
    downloaded,
    got,
    ids,
    inspected,
    made,
    names,
    one_shot,
    present,
    put,
    registered,
    storage,
    uploaded,
)
from tests.files import multi_frame_dicom

MOST = 3_960_000
GIB = 1024**3
BUNDLED = ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "examples_ybr_color.dcm"]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def json_of(size: int) -> bytes:
    """A one-shot body of exactly this many bytes."""
    pad = "x" * (100 + (size - 200) % 4)
    skeleton = {"filename": "big.dcm", "image_data": "", "metadata": {"pad": pad}}
    while (size - len(as_json(skeleton))) % 4:
        skeleton["metadata"] = {"pad": (pad := pad + "x")}
    skeleton["image_data"] = "A" * (size - len(as_json(skeleton)))
    body = as_json(skeleton)
    assert len(body) == size
    return body


def post_json(client: Client, body: bytes) -> Response:
    return client.post("/upload", content=body, headers={"Content-Type": "application/json"})


def post_raw(client: Client, body: bytes, content_type: str = "application/dicom", **parameters: Any) -> Response:
    query = {"filename": "chest.dcm", **parameters}
    return client.post("/upload", params=query, content=body, headers={"Content-Type": content_type})


def refused(response: Response) -> bool:
    return response.status_code in {400, 403}


def still_pending(client: Client, image_id: int) -> bool:
    image = got(client, f"/images/{image_id}")
    return (image["status"], image["url"], image["uploaded_timestamp"]) == ("pending", None, None)


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), f"pydicom does not bring {name}"
    return Path(path)


# One shot


def test_one_shot_json_gives_the_whole_record_at_once(editor: Client, unique: str) -> None:
    data, before = DATA + b"\x00\x01DICM\xff", int(time.time())

    image = one_shot(
        editor,
        data,
        filename="chest.dcm",
        content_type="application/dicom",
        tags=[f"{unique}b", f"{unique}a"],
        metadata={"ward": "B2"},
    )

    assert image["status"] == "present"
    assert (image["filename"], image["content_type"]) == ("chest.dcm", "application/dicom")
    assert (image["size"], image["checksum_sha256"]) == (len(data), sha256(data))
    assert before <= image["created_timestamp"] <= time.time()
    assert before <= image["uploaded_timestamp"] <= time.time()
    assert image["url_expires_timestamp"] > time.time()
    assert sorted(names(image["tags"])) == [f"{unique}a", f"{unique}b"]
    assert (image["metadata"], image["attributes"]) == ({"ward": "B2"}, {})
    assert (image["preview_url"], image["rejection"]) == (None, None)
    assert downloaded(image) == data


def test_one_shot_is_what_get_then_shows(editor: Client) -> None:
    response = post_raw(editor, DATA)

    image = got(editor, f"/images/{response.json()['id']}")

    assert response.headers["Location"].endswith(f"/v1/images/{image['id']}")
    fleeting = ("url", "url_expires_timestamp", "attributes")
    assert {k: v for k, v in image.items() if k not in fleeting} == {
        k: v for k, v in response.json().items() if k not in fleeting
    }


def test_one_shot_is_not_changed_by_the_storages_own_report_of_it(editor: Client) -> None:
    shots = [one_shot(editor, DATA)["id"] for _ in range(3)]
    before = [inspected(editor, image_id) for image_id in shots]
    uploaded(editor, DATA * 2)  # whose report comes after the others'

    after = [got(editor, f"/images/{image_id}") for image_id in shots]

    for earlier, later in zip(before, after, strict=True):
        assert (later["status"], later["size"], later["checksum_sha256"]) == ("present", 4, sha256(DATA))
        assert later["uploaded_timestamp"] == earlier["uploaded_timestamp"]


def test_raw_bytes_with_tags_and_filename_in_the_query(editor: Client, unique: str) -> None:
    data = bytes(range(256)) * 40

    response = post_raw(editor, data, filename="Röntgen 1.dcm", tags=f"{unique}a|{unique}ü")

    image = made(response)
    assert (image["status"], image["filename"], image["content_type"]) == (
        "present",
        "Röntgen 1.dcm",
        "application/dicom",
    )
    assert (image["size"], image["checksum_sha256"], image["metadata"]) == (len(data), sha256(data), {})
    assert names(image["tags"]) == [f"{unique}a", f"{unique}ü"]
    assert downloaded(image) == data


def test_raw_bytes_with_repeated_tags(editor: Client, unique: str) -> None:
    image = made(post_raw(editor, b"x", tags=[f"{unique}a", f"{unique}b"]))

    assert names(image["tags"]) == [f"{unique}a", f"{unique}b"]


@pytest.mark.parametrize(
    "content_type", ["image/png", "image/jpeg", "image/tiff", "application/octet-stream", "application/dicom; a=b"]
)
def test_raw_bytes_of_any_image_type_come_back_byte_for_byte(editor: Client, content_type: str) -> None:
    data = bytes(range(256)) + b"\xff\xfe\x00\r\n\xc3\x28"

    image = made(post_raw(editor, data, content_type))

    assert downloaded(image) == data
    assert image["content_type"].split(";")[0] == content_type.split(";", maxsplit=1)[0]


def test_json_of_exactly_the_limit_is_taken(editor: Client) -> None:
    assert made(post_json(editor, json_of(MOST)))["size"] > 2_900_000


def test_raw_bytes_of_exactly_the_limit_are_taken(editor: Client) -> None:
    data = bytes(1) + b"\xfe" * (MOST - 1)

    image = made(post_raw(editor, data))

    assert image["size"] == MOST
    assert downloaded(image) == data


@pytest.mark.parametrize("size", [MOST + 1, 5_000_000, 9_000_000, 12_000_000])
def test_a_raw_payload_over_the_limit_names_the_staged_way(editor: Client, size: int) -> None:
    response = post_raw(editor, bytes(size))

    assert_problem(response, 413, saying="POST /v1/images")


@pytest.mark.parametrize("size", [MOST + 1, 5_000_000, 9_000_000, 12_000_000])
def test_a_json_payload_over_the_limit_names_the_staged_way(editor: Client, size: int) -> None:
    response = post_json(editor, json_of(size))

    assert_problem(response, 413, saying="POST /v1/images")


@pytest.mark.parametrize("data", ["not base64!", "YWJ", "YWJj\n", "YWJj=", "YW_-", "", 5, None, ["YWJj"], {"a": "b"}])
def test_image_data_that_is_not_base64_is_refused(editor: Client, data: Any) -> None:
    response = editor.post("/upload", json={"filename": "chest.dcm", "image_data": data})

    assert_problem(response, 400, field="image_data")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filename"),
        ({}, "image_data"),
        ({"filename": "a/b", "image_data": "YQ=="}, "filename"),
        ({"filename": "a", "image_data": "YQ==", "tags": ["ok", "a|b"]}, "tags[1]"),
        ({"filename": "a", "image_data": "YQ==", "content_type": "dicom"}, "content_type"),
        ({"filename": "a", "image_data": "YQ==", "metadata": {"a": {}}}, "metadata.a"),
        ({"filename": "a", "image_data": "YQ==", "size": 1}, "size"),
        ({"filename": "a", "image_data": "YQ==", "tag": ["x"]}, "tag"),
    ],
    ids=str,
)
def test_one_shot_json_names_the_field_that_is_wrong(editor: Client, body: Record, field: str) -> None:
    assert_problem(editor.post("/upload", json=body), 400, field=field)


def test_one_shot_json_takes_nothing_from_the_query(editor: Client) -> None:
    response = editor.post("/upload", params={"filename": "a.dcm"}, json={"filename": "a", "image_data": "YQ=="})

    assert_problem(response, 400, field="filename")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": "a/b"}, "filename"),
        ({"filename": ["a", "b"]}, "filename"),
        ({"filename": "a", "tags": "a||b"}, "tags[1]"),
        ({"filename": "a", "tag": "a"}, "tag"),
        ({"filename": "a", "tags": "|".join(f"t{i}" for i in range(101))}, "tags"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_raw_bytes_name_the_parameter_that_is_wrong(editor: Client, query: Record, field: str) -> None:
    response = editor.post("/upload", params=query, content=b"x", headers={"Content-Type": "application/dicom"})

    assert_problem(response, 400, field=field)


def test_an_empty_raw_body_is_refused(editor: Client) -> None:
    assert_problem(post_raw(editor, b""), 400, field="body")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/pdf", "multipart/form-data; boundary=x", "dicom", "image/*"]
)
def test_another_media_type_is_unsupported(editor: Client, content_type: str) -> None:
    assert_problem(post_raw(editor, b"x", content_type), 415)


def test_a_refused_one_shot_leaves_no_image_and_no_tag(editor: Client, unique: str) -> None:
    body = {"filename": "a", "image_data": "!", "tags": [unique]}

    assert_problem(editor.post("/upload", json=body), 400)

    assert ids(editor, "/tags", match=unique) == []
    assert ids(editor, "/search/images", exact_tags=unique) == []


# Staged


def test_a_registered_image_is_pending_until_its_file_is_there(editor: Client) -> None:
    before = int(time.time())

    response = editor.post("/images", json={"filename": "chest.dcm", "size": 4})

    upload = made(response)
    assert set(upload) == {"id", "upload_url", "upload_headers", "upload_expires_timestamp"}
    assert upload["upload_expires_timestamp"] > before
    assert response.headers["Location"].endswith(f"/v1/images/{upload['id']}")
    image = editor.get(response.headers["Location"]).json()
    assert (image["id"], image["status"], image["size"]) == (upload["id"], "pending", 4)
    assert (image["url"], image["url_expires_timestamp"], image["uploaded_timestamp"]) == (None, None, None)


def test_one_put_makes_it_present(editor: Client) -> None:
    data = DATA + b"\x00\xff four"
    upload = registered(editor, len(data), content_type="image/png", checksum_sha256=sha256(data))

    assert put(upload, data).status_code == 200

    image = present(editor, upload["id"])
    assert (image["size"], image["content_type"], image["checksum_sha256"]) == (len(data), "image/png", sha256(data))
    assert image["created_timestamp"] <= image["uploaded_timestamp"] <= time.time() + 1
    response = storage().get(image["url"])
    assert response.content == data
    assert response.headers["Content-Type"] == "image/png"


def test_a_declared_checksum_may_be_in_capitals(editor: Client) -> None:
    image = uploaded(editor, DATA, checksum_sha256=sha256(DATA).upper())

    assert image["checksum_sha256"] == sha256(DATA)


@pytest.mark.parametrize("data", [b"", DATA[:3], DATA + b"s", b"x" * 1000])
def test_the_storage_refuses_another_size(editor: Client, data: bytes) -> None:
    upload = registered(editor, 4)

    assert refused(put(upload, data))

    assert still_pending(editor, upload["id"])
    assert put(upload, DATA).status_code == 200
    assert present(editor, upload["id"])["size"] == 4


@pytest.mark.parametrize("content_type", ["image/png", "text/html", ""])
def test_the_storage_refuses_another_type(editor: Client, content_type: str) -> None:
    upload = registered(editor, 4, content_type="application/dicom")

    assert refused(put(upload, DATA, **{"Content-Type": content_type}))

    assert still_pending(editor, upload["id"])
    assert put(upload, DATA).status_code == 200
    assert present(editor, upload["id"])["content_type"] == "application/dicom"


def test_the_storage_refuses_other_bytes_than_the_checksum_says(editor: Client) -> None:
    upload = registered(editor, 4, checksum_sha256=sha256(DATA))

    assert refused(put(upload, DATA[::-1]))

    assert still_pending(editor, upload["id"])
    assert put(upload, DATA).status_code == 200
    assert present(editor, upload["id"])["checksum_sha256"] == sha256(DATA)


def test_the_storage_refuses_another_checksum_header(editor: Client) -> None:
    upload = registered(editor, 4, checksum_sha256=sha256(DATA))
    (header,) = (name for name in upload["upload_headers"] if "checksum" in name.lower())
    other = base64.b64encode(hashlib.sha256(DATA[::-1]).digest()).decode()

    assert refused(put(upload, DATA[::-1], **{header: other}))

    assert still_pending(editor, upload["id"])


@pytest.mark.parametrize("left_out", range(3))
def test_the_storage_refuses_a_put_without_one_of_the_headers(editor: Client, left_out: int) -> None:
    upload = registered(editor, 4, checksum_sha256=sha256(DATA))
    assert len(upload["upload_headers"]) == 3
    del upload["upload_headers"][sorted(upload["upload_headers"])[left_out]]

    assert refused(put(upload, DATA))

    assert still_pending(editor, upload["id"])


def test_the_upload_url_is_for_nothing_but_a_put(editor: Client) -> None:
    upload = registered(editor, 4)
    assert put(upload, DATA).status_code == 200

    for method in ("GET", "DELETE", "POST"):
        response = storage().request(method, upload["upload_url"], headers=upload["upload_headers"])
        assert response.status_code in {403, 405}

    assert present(editor, upload["id"])["size"] == 4


def test_the_download_url_is_for_nothing_but_a_get(editor: Client) -> None:
    image = one_shot(editor)

    assert storage().put(image["url"], content=DATA[::-1]).status_code == 403
    assert storage().delete(image["url"]).status_code == 403

    assert downloaded(image) == DATA


def test_an_address_without_its_signature_opens_nothing(editor: Client) -> None:
    image = one_shot(editor)

    assert storage().get(image["url"].partition("?")[0]).status_code == 403


def test_a_second_put_is_refused_and_changes_nothing(editor: Client) -> None:
    upload = registered(editor, 4)
    assert put(upload, DATA).status_code == 200

    assert put(upload, DATA[::-1]).status_code == 412

    assert downloaded(present(editor, upload["id"])) == DATA


def test_a_fresh_url_takes_the_file_as_well(editor: Client) -> None:
    upload = registered(editor, 4)

    response = editor.post(f"/images/{upload['id']}/upload", json={})

    fresh = response.json()
    assert response.status_code == 200
    assert set(fresh) == set(upload)
    assert (fresh["id"], fresh["upload_headers"]) == (upload["id"], upload["upload_headers"])
    assert put(fresh, DATA).status_code == 200
    assert present(editor, upload["id"])["size"] == 4


def test_a_fresh_url_needs_no_body(editor: Client) -> None:
    upload = registered(editor, 4)

    fresh = editor.post(f"/images/{upload['id']}/upload")

    assert fresh.status_code == 200
    assert put(fresh.json(), DATA).status_code == 200


def test_a_present_image_takes_no_other_file(editor: Client) -> None:
    image = uploaded(editor)

    for body in ({}, {"multipart": True}):
        problem = assert_problem(editor.post(f"/images/{image['id']}/upload", json=body), 409)
        assert problem["type"].endswith("image-already-present")


def test_a_file_that_comes_while_its_image_is_in_the_bin_is_there_after_the_restore(editor: Client) -> None:
    upload = registered(editor, 4)
    assert editor.delete(f"/images/{upload['id']}").status_code == 204

    assert put(upload, DATA).status_code == 200

    assert editor.post(f"/images/{upload['id']}/restore").status_code == 200
    assert downloaded(present(editor, upload["id"])) == DATA


@pytest.mark.parametrize("path", ["upload", "upload/complete"])
def test_there_is_no_upload_for_what_is_not_there(editor: Client, path: str) -> None:
    binned = registered(editor)["id"]
    assert editor.delete(f"/images/{binned}").status_code == 204

    for image_id in (NO_IMAGE, binned):
        assert_problem(editor.post(f"/images/{image_id}/{path}", json=parts_of("x") if "/" in path else {}), 404)


@pytest.mark.parametrize("body", [{"multipart": "true"}, {"multipart": None}, {"multipart": 1}])
def test_multipart_is_true_or_false(editor: Client, body: Record) -> None:
    upload = registered(editor)

    assert_problem(editor.post(f"/images/{upload['id']}/upload", json=body), 400, field="multipart")


# In parts


def parts_of(*etags: str) -> Record:
    return {"parts": [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, start=1)]}


def begun(client: Client, image_id: int) -> list[Record]:
    response = client.post(f"/images/{image_id}/upload", json={"multipart": True})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["id"], answer["upload_expires_timestamp"] > time.time()) == (image_id, True)
    parts: list[Record] = answer["parts"]
    return parts


def complete(client: Client, image_id: int, *etags: str) -> Response:
    return client.post(f"/images/{image_id}/upload/complete", json=parts_of(*etags))


def test_a_file_comes_in_parts(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]

    (part,) = begun(editor, image_id)
    etag = storage().put(part["url"], content=DATA).headers["ETag"]
    response = complete(editor, image_id, etag)

    assert (part["part_number"], part["size"]) == (1, 4)
    assert response.status_code == 200, response.text
    image = response.json()
    assert (image["status"], image["size"]) == ("present", 4)
    assert downloaded(image) == DATA
    assert downloaded(present(editor, image_id)) == DATA


def test_the_storage_refuses_a_part_of_another_size(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]
    (part,) = begun(editor, image_id)

    assert refused(storage().put(part["url"], content=DATA + b"s"))

    etag = storage().put(part["url"], content=DATA).headers["ETag"]
    assert complete(editor, image_id, etag).status_code == 200


def test_asking_again_for_parts_goes_on_with_the_same_upload(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]
    (first,) = begun(editor, image_id)
    etag = storage().put(first["url"], content=DATA).headers["ETag"]

    begun(editor, image_id)

    assert complete(editor, image_id, etag).status_code == 200


def test_a_completion_can_be_repeated(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]
    (part,) = begun(editor, image_id)
    etag = storage().put(part["url"], content=DATA).headers["ETag"]

    responses = [complete(editor, image_id, etag) for _ in range(2)]

    assert [response.status_code for response in responses] == [200, 200]
    assert [response.json()["uploaded_timestamp"] for response in responses] == [
        present(editor, image_id)["uploaded_timestamp"]
    ] * 2


def test_a_wrong_etag_is_a_conflict_and_the_right_one_then_finishes(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]
    (part,) = begun(editor, image_id)
    etag = storage().put(part["url"], content=DATA).headers["ETag"]

    assert_problem(complete(editor, image_id, '"00000000000000000000000000000000"'), 409)

    assert still_pending(editor, image_id)
    assert complete(editor, image_id, etag).status_code == 200


def test_a_part_that_was_never_put_is_a_conflict(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]
    begun(editor, image_id)

    assert_problem(complete(editor, image_id, '"8d777f385d3dfec8815d20f7496026dc"'), 409)

    assert still_pending(editor, image_id)


def test_completing_what_was_not_begun_is_a_conflict(editor: Client) -> None:
    image_id = registered(editor, 4)["id"]

    assert_problem(complete(editor, image_id, "x"), 409)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"part_number": 2, "etag": "x"}],
        [{"part_number": 1, "etag": "x"}, {"part_number": 2, "etag": "x"}],
        [{"part_number": 1, "etag": "x"}, {"part_number": 1, "etag": "x"}],
        None,
        {},
    ],
    ids=str,
)
def test_each_part_must_be_named_once(editor: Client, parts: Any) -> None:
    image_id = registered(editor, 4)["id"]
    begun(editor, image_id)

    response = editor.post(f"/images/{image_id}/upload/complete", json={"parts": parts})

    assert_problem(response, 400, field="parts")


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"part_number": 0, "etag": "x"}, "parts[0].part_number"),
        ({"part_number": "1", "etag": "x"}, "parts[0].part_number"),
        ({"part_number": 1, "etag": ""}, "parts[0].etag"),
        ({"part_number": 1}, "parts[0].etag"),
        ({"part_number": 1, "etag": "x", "size": 4}, "parts[0].size"),
    ],
    ids=str,
)
def test_a_wrong_part_is_named(editor: Client, part: Record, field: str) -> None:
    image_id = registered(editor, 4)["id"]
    begun(editor, image_id)

    assert_problem(editor.post(f"/images/{image_id}/upload/complete", json={"parts": [part]}), 400, field=field)


def test_up_to_five_gigabytes_there_is_a_url_for_one_put(editor: Client) -> None:
    assert registered(editor, 5_000_000_000)["upload_url"]


@pytest.mark.parametrize("size", [5 * GIB + 1, 5 * 1024 * GIB])
def test_a_larger_image_has_no_url_but_parts(editor: Client, size: int) -> None:
    upload = registered(editor, size)
    assert upload["upload_url"] is None

    assert editor.post(f"/images/{upload['id']}/upload", json={}).json()["parts"]


def test_a_checksum_that_nobody_could_verify_is_refused(editor: Client) -> None:
    draft = {"filename": "a.dcm", "checksum_sha256": sha256(b"")}

    assert_problem(editor.post("/images", json={**draft, "size": 50_000_000_001}), 400, field="checksum_sha256")
    assert editor.post("/images", json={**draft, "size": 50_000_000_000}).status_code == 201


def test_parts_come_unasked_above_100_megabytes(editor: Client) -> None:
    small, large = registered(editor, 100_000_000), registered(editor, 100_000_001)

    assert "upload_url" in editor.post(f"/images/{small['id']}/upload", json={}).json()
    assert len(editor.post(f"/images/{large['id']}/upload", json={}).json()["parts"]) > 1


# Real files

OWN = Path(os.environ["DICOM_DIR"]) if "DICOM_DIR" in os.environ else None
REAL = [*map(bundled, BUNDLED), *(sorted(OWN.glob("*.dcm")) if OWN else [])]
"""Files that pydicom brings, and whatever lies in DICOM_DIR."""


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_dicom_file_comes_back_byte_for_byte(editor: Client, path: Path) -> None:
    data = path.read_bytes()

    image = uploaded(editor, data, filename=path.name, checksum_sha256=sha256(data))

    assert (image["size"], image["checksum_sha256"]) == (len(data), sha256(data))
    assert downloaded(image) == data


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_small_dicom_file_comes_in_by_one_shot_too(editor: Client, path: Path) -> None:
    data = path.read_bytes()

    assert downloaded(made(post_raw(editor, data, filename=path.name))) == data
    assert downloaded(one_shot(editor, data, filename=path.name)) == data


@pytest.fixture(scope="module")
def file_of_200_megabytes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = multi_frame_dicom(tmp_path_factory.mktemp("dicom") / "multi-frame-200.dcm", 200_000_000)
    yield path
    path.unlink()


def assert_same_bytes(image: Record, path: Path) -> None:
    with path.open("rb") as original, storage().stream("GET", image["url"]) as response:
        for chunk in response.iter_bytes(1024**2):
            assert chunk == original.read(len(chunk))
        assert original.read(1) == b""


def checksum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_35_megabytes_come_back_byte_for_byte(editor: Client, tmp_path: Path) -> None:
    path = multi_frame_dicom(tmp_path / "multi-frame-35.dcm", 35_000_000)
    size, checksum = path.stat().st_size, checksum_of(path)
    upload = registered(editor, size, filename=path.name, content_type="application/dicom", checksum_sha256=checksum)

    with path.open("rb") as file:
        assert put(upload, file).status_code == 200

    image = present(editor, upload["id"])
    assert (image["size"], image["checksum_sha256"]) == (size, checksum)
    assert_same_bytes(image, path)


def test_200_megabytes_come_back_byte_for_byte(editor: Client, file_of_200_megabytes: Path) -> None:
    size = file_of_200_megabytes.stat().st_size
    upload = registered(editor, size, filename=file_of_200_megabytes.name)

    with file_of_200_megabytes.open("rb") as file:
        assert put(upload, file).status_code == 200

    image = present(editor, upload["id"])
    assert image["size"] == size
    assert_same_bytes(image, file_of_200_megabytes)


def test_200_megabytes_come_back_byte_for_byte_in_parts(editor: Client, file_of_200_megabytes: Path) -> None:
    size = file_of_200_megabytes.stat().st_size
    image_id = registered(editor, size, filename=file_of_200_megabytes.name)["id"]

    parts = editor.post(f"/images/{image_id}/upload").json()["parts"]
    with file_of_200_megabytes.open("rb") as file:
        answers = [storage().put(part["url"], content=file.read(part["size"])) for part in parts]
    response = complete(editor, image_id, *(answer.headers["ETag"] for answer in answers))

    assert len(parts) > 1
    assert response.status_code == 200, response.text
    assert response.json()["size"] == size
    assert_same_bytes(response.json(), file_of_200_megabytes)


def test_an_upload_that_breaks_off_leaves_the_image_pending_and_can_be_repeated(editor: Client) -> None:
    upload = registered(editor, 1_000_000)

    def half() -> Iterator[bytes]:
        yield DATA + b"x" * 499_996
        raise ConnectionError

    with pytest.raises(ConnectionError):
        storage().put(
            upload["upload_url"], content=half(), headers={**upload["upload_headers"], "Content-Length": "1000000"}
        )

    assert still_pending(editor, upload["id"])
    eventually(lambda: put(upload, DATA + b"x" * 999_996).status_code == 200, of="the second try")
    assert present(editor, upload["id"])["size"] == 1_000_000
