"""The kind of a file, by its first bytes."""

import gzip
import struct

import pytest

from chalicelib.imaging.kinds import DICOM, NIFTI, TIFF, kind_of, refusal
from tests.imaging.files import bundled, dicom, picture

NIFTI_HEADER = struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(4)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("PNG", "PNG"),
        ("JPEG", "JPEG"),
        ("TIFF", "TIFF"),
        ("WEBP", "WebP"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("JPEG2000", "JPEG 2000"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(form: str, name: str) -> None:
    kind = kind_of(picture(form))

    assert kind is not None
    assert kind.name == name


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",  # with a preamble
        "ExplVR_BigEndNoMeta.dcm",
        "ExplVR_LitEndNoMeta.dcm",
        "rtstruct.dcm",  # implicit, neither preamble nor meta information
        "no_meta_group_length.dcm",
    ],
)
def test_dicom_is_known_with_and_without_a_preamble(name: str) -> None:
    assert kind_of(bundled(name)) == DICOM


def test_dicom_whose_preamble_is_a_tiff_header_is_dicom() -> None:
    content = b"II*\0" + dicom()[4:]

    assert kind_of(content) == DICOM
    assert kind_of(content[:128]) == TIFF


@pytest.mark.parametrize("content", [NIFTI_HEADER, gzip.compress(NIFTI_HEADER, mtime=0)])
def test_nifti_is_known_compressed_or_not(content: bytes) -> None:
    assert kind_of(content) == NIFTI


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7 ...", "The file is a PDF document, not an image."),
        (b"PK\x03\x04" + bytes(60), "The file is a ZIP archive, or an office document, not an image."),
        (gzip.compress(b"no image", mtime=0), "The file is a gzip archive, not an image."),
        (b"\0\0\0\x18ftypheic" + bytes(60), "The file is a HEIC picture, which is not supported."),
        (b"<!DOCTYPE html><html>", "The file is an HTML page, not an image."),
        ("Sehr geehrte Frau Müller,\r\n".encode(), "The file is a text, not an image."),
        (b"data", "The file is a text, not an image."),
        (b"BM" + bytes(100), "The file is no image of a known kind"),
        (bytes(1000), "The file is no image of a known kind"),
        (b"\x08\x00\x05\x00CS", "The file is no image of a known kind"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_what_is_no_image_is_refused_in_words_for_a_person(content: bytes, said: str) -> None:
    assert kind_of(content) is None
    assert refusal(content).startswith(said)
