"""What the service says of a file once it has looked into it."""

from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from httpx import Client

from tests.conftest import aws_client
from tests.contract.builders import (
    DATA,
    assert_problem,
    downloaded,
    found,
    got,
    inspected,
    one_shot,
    put,
    registered,
    storage,
    uploaded,
)
from tests.imaging.files import picture
from tests.imaging.test_sandbox import many_scans, png_bomb

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
FILES = [
    *sorted(path for path in BUNDLED.iterdir() if path.suffix in (".dcm", ".gz")),
    Path(__file__).parents[1] / "imaging" / "knee-mr.dcm",
]
PDF = b"%PDF-1.7 of a report"
SLOW = png_bomb(7_900)
"""62 million pixels, which take a second to decode, in 80 KB."""


def bundled(name: str) -> bytes:
    return next(path for path in FILES if path.name == name).read_bytes()


def test_a_dicom_file_gets_attributes_and_a_preview(editor: Client, viewer: Client, unique: str) -> None:
    image = inspected(editor, uploaded(editor, bundled("MR_small.dcm"), tags=[unique])["id"])

    assert {"Format": "DICOM", "Modality": "MR", "Rows": 64}.items() <= image["attributes"].items()
    (listed,) = got(viewer, "/search/images", exact_tags=unique, **{"attributes.Modality": "MR"})["results"]
    preview = storage().get(listed["preview_url"])
    assert preview.headers["Content-Type"] == "image/webp"
    assert preview.headers["Content-Disposition"] == "inline"
    assert preview.content[8:12] == b"WEBP"


def test_a_one_shot_is_looked_into_like_every_other(editor: Client) -> None:
    image = inspected(editor, one_shot(editor, bundled("CT_small.dcm"))["id"])

    assert image["attributes"]["Modality"] == "CT"
    assert storage().get(image["preview_url"]).status_code == 200


def test_no_name_of_a_patient_is_in_a_record(editor: Client) -> None:
    image = inspected(editor, uploaded(editor, bundled("CT_small.dcm"))["id"])

    assert b"CompressedSamples^CT1" in bundled("CT_small.dcm")
    assert "Compressed" not in str(image)
    assert len(image["attributes"]["StudyInstanceUID"]) == 32


def test_what_is_no_image_is_rejected_for_a_reason_that_a_person_understands(
    editor: Client, viewer: Client, admin: Client, unique: str
) -> None:
    upload = registered(editor, len(PDF), filename="report.dcm", tags=[unique])
    assert put(upload, PDF).status_code == 200

    mine = inspected(editor, upload["id"])

    assert (mine["status"], mine["rejection"]) == ("rejected", "The file is a PDF document, not an image.")
    assert (mine["attributes"], mine["preview_url"]) == ({}, None)
    assert mine["uploaded_timestamp"] is not None
    for client in (editor, admin):
        for image in (got(client, f"/images/{mine['id']}"), *got(client, "/images", limit=100)["results"]):
            if image["id"] == mine["id"]:
                assert downloaded(image) == PDF
    for image in (
        got(viewer, f"/images/{mine['id']}"),
        *got(viewer, "/search/images", exact_tags=unique)["results"],
        *got(viewer, f"/tags/{mine['tags'][0]['id']}/images")["results"],
    ):
        assert (image["status"], image["url"], image["url_expires_timestamp"]) == ("rejected", None, None)
    assert found(viewer, exact_tags=unique) == [mine["id"]]
    assert found(viewer, exact_tags=unique, uploaded_only="true") == []


def test_a_rejected_image_can_be_deleted_and_restored_and_takes_no_other_file(editor: Client) -> None:
    image_id = one_shot(editor, PDF)["id"]
    inspected(editor, image_id)

    assert_problem(editor.post(f"/images/{image_id}/upload", json={}), 409)
    assert editor.delete(f"/images/{image_id}").status_code == 204
    assert editor.post(f"/images/{image_id}/restore").json()["status"] == "rejected"


def test_a_preview_has_no_url_before_there_is_one(editor: Client) -> None:
    image = inspected(editor, uploaded(editor, DATA)["id"])

    assert (image["status"], image["preview_url"]) == ("present", None)
    assert image["attributes"] == {
        "Format": "JPEG",
        "DeclaredAs": "application/dicom",
        "NoPreview": "Its pixels cannot be decoded.",
        "HeaderWarning": "Part of its header cannot be read, so attributes may be missing.",
        "PixelWarning": [
            "It is a picture without a DICOM header, so nothing says whether its pixels show a name.",
        ],
    }


def test_a_picture_of_one_caller_does_not_wait_for_the_slow_files_of_another(editor: Client, admin: Client) -> None:
    slow = [uploaded(editor, SLOW, content_type="image/png")["id"] for _ in range(5)]

    quick = inspected(admin, uploaded(admin, picture("PNG"), content_type="image/png")["id"])

    assert storage().get(quick["preview_url"]).status_code == 200
    assert not all(got(editor, f"/images/{image_id}")["attributes"] for image_id in slow)


def test_a_few_jpegs_of_a_hundred_thousand_scans_take_no_time(editor: Client) -> None:
    content = many_scans(150_000)

    image = inspected(editor, uploaded(editor, content, content_type="image/jpeg")["id"])

    assert image["attributes"]["Rows"] == 64
    assert image["attributes"]["NoPreview"] == "It has more than 100 scans, which take too long to decode."


def test_every_file_that_comes_with_pydicom_goes_through_and_none_ends_among_the_dead_letters(
    editor: Client, stack: dict[str, Any]
) -> None:
    uploads = {path.name: registered(editor, path.stat().st_size, filename=path.name) for path in FILES}
    for path in FILES:
        assert put(uploads[path.name], path.read_bytes()).status_code == 200

    images = {name: inspected(editor, upload["id"]) for name, upload in uploads.items()}

    rejected = [name for name, image in images.items() if image["status"] == "rejected"]
    without = {name for name, image in images.items() if image["preview_url"] is None}
    assert len(images) > 70
    assert rejected == ["no_meta.dcm", "zipMR.gz"]
    assert all("NoPreview" in images[name]["attributes"] for name in without - set(rejected))
    assert {"JPEG-lossy.dcm", "rtplan.dcm", "MR_truncated.dcm", "test-SR.dcm", "badVR.dcm"} <= without
    assert len(images) - len(without) > 45
    assert images["knee-mr.dcm"]["preview_url"]
    assert "Messages" not in aws_client(stack, "sqs").receive_message(QueueUrl=stack["inspection_dead_letters"])


@pytest.mark.parametrize("user", ["viewer", "newcomer"])
def test_a_viewer_sees_the_preview_of_what_others_uploaded(client_as: Any, editor: Client, user: str) -> None:
    image_id = inspected(editor, uploaded(editor, bundled("MR_small_RLE.dcm"))["id"])["id"]

    assert storage().get(got(client_as(user), f"/images/{image_id}")["preview_url"]).status_code == 200


def test_the_inspection_stops_no_change_of_who_read_the_image_before(editor: Client) -> None:
    path = f"/images/{one_shot(editor, bundled('MR_small.dcm'))['id']}"
    read = editor.get(path).headers["ETag"]
    inspected(editor, int(path.rpartition("/")[2]))

    response = editor.put(path, json={"metadata": {"seen": True}}, headers={"If-Match": read})

    assert response.status_code == 200
    assert response.json()["attributes"]["Modality"] == "MR"
