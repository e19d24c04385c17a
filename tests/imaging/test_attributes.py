"""What is kept of a file's header, in which form, and what it costs to read."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from chalicelib.imaging.allowed import ALLOWED, IDENTIFIERS
from chalicelib.imaging.dicom import unknown_keywords
from chalicelib.imaging.policy import Policy
from tests.conftest import ROOT
from tests.files import multi_frame_dicom
from tests.imaging.files import CT_STORAGE, KEY, Watched, bundled, dataset, dicom, picture, read, written

MEGABYTE = 1_000_000
STUDY = "1.2.826.0.1.3680043.8.498.1"


def test_values_have_the_form_that_searches_well() -> None:
    found = read(
        dicom(
            Manufacturer="ACME ",
            PixelSpacing=["0.500", "0.5"],
            SliceThickness="3.0",
            KVP="120",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            StudyDate="20040119",
            EchoTime="4.25",
        )
    )

    assert found == {
        "Format": "DICOM",
        "TransferSyntaxUID": "1.2.840.10008.1.2.1",
        "SOPClassUID": CT_STORAGE,
        "Modality": "CT",
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "PixelRepresentation": 0,
        "Manufacturer": "ACME",
        "PixelSpacing": [0.5, 0.5],
        "SliceThickness": 3,
        "KVP": 120,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "StudyDate": "2004",
        "EchoTime": 4.25,
    }


@pytest.mark.parametrize(
    ("detail", "kept"), [("day", "2004-01-19"), ("month", "2004-01"), ("year", "2004"), ("none", None)]
)
def test_the_study_date_is_kept_as_far_as_the_setting_says(detail: Any, kept: str | None) -> None:
    assert read(dicom(StudyDate="20040119"), Policy(study_date=detail)).get("StudyDate") == kept


def test_identifiers_are_hashes_that_say_which_images_belong_together_and_nothing_else() -> None:
    content = dicom(StudyInstanceUID=STUDY, SeriesInstanceUID=STUDY)
    first, second = (read(content, Policy(identifier_key=KEY)) for _ in range(2))
    other_key = read(content, Policy(identifier_key=KEY[::-1]))

    assert first["StudyInstanceUID"] == second["StudyInstanceUID"]
    assert len({first["StudyInstanceUID"], first["SeriesInstanceUID"], other_key["StudyInstanceUID"]}) == 3
    assert STUDY not in str(first)
    assert not IDENTIFIERS.keys() & read(content).keys()


def test_a_setting_adds_keywords_but_never_names_or_sequences() -> None:
    content = dicom(SeriesDescription="T2 sag", PatientName="Doe^Jane", StationName="CT01")

    assert read(content, Policy(extra=("SeriesDescription",)))["SeriesDescription"] == "T2 sag"
    assert "SeriesDescription" not in read(content)
    assert unknown_keywords(["PatientName", "RequestAttributesSequence", "Nonsense", "StationName"]) == [
        "PatientName",
        "RequestAttributesSequence",
        "Nonsense",
    ]


def test_a_name_that_poses_as_something_else_is_not_kept() -> None:
    content = dicom(Manufacturer="ACME").replace(b"\x08\x00\x70\x00LO", b"\x08\x00\x70\x00PN")

    assert "Manufacturer" not in read(content)


@pytest.mark.parametrize("value", ["1e400", "NaN", "twelve", ""])
def test_a_number_that_is_none_is_left_out_and_the_others_are_kept(value: str) -> None:
    padded = value.ljust(6).encode()
    found = read(dicom(KVP="123456").replace(b"123456", padded))

    assert "KVP" not in found
    assert found["Modality"] == "CT"


def test_of_several_codes_the_good_ones_are_kept_but_of_numbers_all_or_none() -> None:
    content = dicom(ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], PixelSpacing=["0.25", "0.75"])
    found = read(content.replace(b"PRIMARY", b"primary").replace(b"0.75", b"O.75"))

    assert found["ImageType"] == ["ORIGINAL", "AXIAL"]
    assert "PixelSpacing" not in found


def test_enhanced_objects_have_their_spacing_found_in_the_shared_groups() -> None:
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.8], 5
    groups.PixelMeasuresSequence = Sequence([measures])

    found = read(dicom(SharedFunctionalGroupsSequence=Sequence([groups])))

    assert (found["PixelSpacing"], found["SliceThickness"]) == ([0.7, 0.8], 5)


@pytest.mark.parametrize(
    ("elements", "warning"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned into"),
        ({"RecognizableVisualFeatures": "YES"}, "recognisable"),
        ({"ConversionType": "WSD"}, "captured"),
        ({"Modality": "US"}, "burned in"),
    ],
)
def test_pixels_that_may_tell_a_name_are_warned_of(elements: dict[str, str], warning: str) -> None:
    (said,) = read(dicom(**elements))["PixelWarning"]

    assert warning in said
    assert "PixelWarning" not in read(dicom())


def test_a_photo_keeps_its_camera_and_nothing_of_where_and_whose() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Canon", "EOS", 6
    exif[0x8298], exif[0x013B], exif[0x010E] = "Doe", "Jane Doe", "Doe at home"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)

    assert read(picture("JPEG", exif=exif)) == {
        "Format": "JPEG",
        "Columns": 6,
        "Rows": 4,
        "ColorMode": "RGB",
        "Manufacturer": "Canon",
        "ManufacturerModelName": "EOS",
        "Orientation": 6,
    }


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": Image.Exif().tobytes()}])
def test_each_form_of_webp_says_its_size(options: dict[str, Any]) -> None:
    assert read(picture("WEBP", (301, 200), **options)) == {"Format": "WebP", "Columns": 301, "Rows": 200}


# What it costs


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000"])
def test_of_a_picture_only_the_header_is_read(form: str) -> None:
    output = io.BytesIO()
    Image.effect_noise((2000, 2000), 90).save(output, form)
    watched = Watched(output.getvalue())

    assert read(watched)["Rows"] == 2000
    assert len(watched.content) > 1_500_000
    assert watched.bytes_fetched <= 200_000


def test_of_35_megabytes_only_the_header_is_read(tmp_path: Path) -> None:
    watched = Watched(multi_frame_dicom(tmp_path / "large.dcm", 35 * MEGABYTE).read_bytes())

    assert read(watched)["NumberOfFrames"] > 1000
    assert watched.bytes_fetched <= 100_000


def test_a_huge_private_element_before_the_others_is_passed_over_unread() -> None:
    made = dataset()
    made.add_new(0x00090010, "LO", "ACME")
    made.add_new(0x00091001, "OB", bytes(20 * MEGABYTE))
    watched = Watched(written(made))

    assert read(watched)["Rows"] == 4
    assert watched.bytes_fetched <= 200_000


def test_a_header_without_end_is_read_up_to_a_megabyte_and_keeps_what_came_before() -> None:
    step = Dataset()
    step.add_new(0x00400007, "LO", "x" * 60)
    watched = Watched(written(dataset(ReferencedStudySequence=Sequence([step] * 40_000), Manufacturer="ACME")))

    found = read(watched)

    assert found["Modality"] == "CT"
    assert watched.bytes_fetched <= MEGABYTE


def test_a_deflated_bomb_is_inflated_no_further_than_its_bound() -> None:
    content = written(dataset(DeflatedExplicitVRLittleEndian))
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    inner = zlib.decompress(content[meta_end:], -15) + struct.pack("<HH2sHL", 0x7FE1, 0x10, b"OB", 0, 10**9)
    packer = zlib.compressobj(9, wbits=-15)
    bomb = content[:meta_end] + packer.compress(inner)
    bomb += b"".join(packer.compress(bytes(10 * MEGABYTE)) for _ in range(50)) + packer.flush()

    tracemalloc.start()
    found = read(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bomb) < MEGABYTE
    assert found["Rows"] == 4
    assert peak < 100 * MEGABYTE


def test_attributes_of_a_large_file_take_less_than_100_megabytes_of_memory(tmp_path: Path) -> None:
    path = multi_frame_dicom(tmp_path / "large.dcm", 35 * MEGABYTE)
    code = """
import re, sys
from chalicelib.imaging.inspection import Subject, attributes
from chalicelib.imaging.kinds import DICOM
from chalicelib.imaging.policy import Policy
file = open(sys.argv[1], "rb")
def fetch(offset, length):
    file.seek(offset)
    return file.read(length)
size = file.seek(0, 2)
assert attributes(Subject(fetch, size, fetch(0, 32768), DICOM, Policy()))["Modality"] == "CT"
print(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)

    assert int(done.stdout) * 1024 <= 100 * MEGABYTE


def test_the_allow_list_gives_a_reason_for_each() -> None:
    assert all(ALLOWED.values())
    assert not unknown_keywords(ALLOWED)


@pytest.mark.parametrize("name", ["rtplan_truncated.dcm", "badVR.dcm", "nested_priv_SQ.dcm", "image_dfl.dcm"])
def test_a_broken_or_odd_file_gives_what_it_has(name: str) -> None:
    assert len(read(bundled(name))) >= 2


def test_a_header_that_ends_early_gives_what_came_before() -> None:
    content = dicom(Manufacturer="ACME", KVP="119.75")

    assert read(content[: content.index(b"119.75")])["Manufacturer"] == "ACME"
