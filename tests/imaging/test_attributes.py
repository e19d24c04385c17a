"""What is kept of a file's header, in which form, and what it costs to read."""

import io
import math
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from chalicelib.imaging import pixel_warnings
from chalicelib.imaging.allowed import ALLOWED, IDENTIFIERS
from chalicelib.imaging.dicom import unknown_keywords
from chalicelib.imaging.limits import MOST_ELEMENTS
from chalicelib.imaging.policy import Policy
from chalicelib.imaging.values import DAMAGED
from tests.conftest import ROOT
from tests.files import multi_frame_dicom
from tests.imaging.files import CT_STORAGE, KEY, Watched, bundled, dataset, dicom, inspected, picture, read, written
from tests.imaging.test_previews import nifti

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


SECONDARY_CAPTURE, ULTRASOUND = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6.1"


@pytest.mark.parametrize(
    ("elements", "warning"),
    [
        ({"BurnedInAnnotation": "YES"}, pixel_warnings.BURNED_IN),
        ({"RecognizableVisualFeatures": "YES"}, pixel_warnings.RECOGNISABLE),
        *(
            ({"ConversionType": term}, pixel_warnings.CAPTURED)
            for term in ("DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN")
        ),
        ({"ConversionType": "OF MY OWN"}, pixel_warnings.CAPTURED),
        ({"SOPClassUID": SECONDARY_CAPTURE, "Modality": "CT"}, pixel_warnings.OFTEN_LABELLED),
        ({"SOPClassUID": f"{SECONDARY_CAPTURE}.4", "Modality": "CR"}, pixel_warnings.OFTEN_LABELLED),
        ({"SOPClassUID": ULTRASOUND, "Modality": "MR"}, pixel_warnings.OFTEN_LABELLED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "Modality": "XA"}, pixel_warnings.OFTEN_LABELLED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6", "Modality": "MR"}, pixel_warnings.OFTEN_LABELLED),
        ({"Modality": "US"}, pixel_warnings.OFTEN_LABELLED),
        ({"Modality": ["CT", "US"]}, pixel_warnings.OFTEN_LABELLED),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, pixel_warnings.OFTEN_LABELLED),
    ],
)
def test_pixels_that_may_show_a_name_are_warned_of(elements: dict[str, Any], warning: str) -> None:
    assert read(dicom(**elements))["PixelWarning"] == [warning]


def test_plain_slices_are_not_warned_of_nor_is_what_says_that_nothing_is_burned_in() -> None:
    assert "PixelWarning" not in read(dicom())
    assert "PixelWarning" not in read(dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"))
    assert "PixelWarning" not in read(dicom(SOPClassUID=ULTRASOUND, Modality="US", BurnedInAnnotation="NO"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000"])
def test_every_picture_that_is_not_dicom_is_warned_of(form: str) -> None:
    assert read(picture(form))["PixelWarning"] == [pixel_warnings.NOT_DICOM]
    assert read(picture(form)[:40])["PixelWarning"] == [pixel_warnings.NOT_DICOM]


def test_a_photo_keeps_its_camera_and_nothing_of_where_and_whose() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Canon", "EOS 5D", 6
    exif[0x8298], exif[0x013B], exif[0x010E] = "Doe", "Jane Doe", "Doe at home"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)

    assert read(picture("JPEG", exif=exif)) == {
        "Format": "JPEG",
        "PixelWarning": [pixel_warnings.NOT_DICOM],
        "Columns": 6,
        "Rows": 4,
        "ColorMode": "RGB",
        "Manufacturer": "Canon",
        "ManufacturerModelName": "EOS 5D",
        "Orientation": 6,
    }


@pytest.mark.parametrize(
    ("make", "model", "kept"),
    [
        (
            "NIKON CORPORATION",
            "NIKON D850",
            {"Manufacturer": "NIKON CORPORATION", "ManufacturerModelName": "NIKON D850"},
        ),
        ("Apple", "iPhone 12", {"Manufacturer": "Apple", "ManufacturerModelName": "iPhone 12"}),
        ("Canon", "Jane Doe", {"Manufacturer": "Canon"}),
        ("Jane Doe", "EOS 5D", {}),
        ("Canon of Jane Doe", "EOS 5D", {}),
        ("", "EOS 5D", {}),
    ],
)
def test_a_name_written_in_the_place_of_a_camera_is_not_kept(make: str, model: str, kept: dict[str, str]) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = make, model

    found = read(picture("JPEG", exif=exif))

    assert {name: found[name] for name in ("Manufacturer", "ManufacturerModelName") if name in found} == kept


CODED = [keyword for keyword in ALLOWED if dictionary_VR(keyword) in ("CS", "SH")]


@pytest.mark.parametrize("keyword", CODED)
def test_a_name_in_a_coded_element_is_not_kept(keyword: str) -> None:
    for name in ("DOE JANE", "DOE_JANE", "DOE") if keyword != "ConvolutionKernel" else ("DOE^JANE", "Doe, Jane"):
        assert keyword not in read(dicom(**{keyword: name}))
    assert read(dicom(ImageType=["ORIGINAL", "DOE JANE"]))["ImageType"] == ["ORIGINAL"]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BodyPartExamined", "CHEST"),
        ("BodyPartExamined", "NECKCHESTABDPELV"),
        ("BodyPartExamined", "CHEST_ABDOMEN"),
        ("BodyPartExamined", "LEFT WRIST"),
        ("Modality", "PT"),
        ("ViewPosition", "MLO"),
        ("PatientPosition", "FFDR"),
        ("Laterality", "L"),
        ("PhotometricInterpretation", "PALETTE COLOR"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "M", "ND", "NORM", "DIS2D"]),
        ("ImageType", ["DERIVED", "PRIMARY", "RECON GATED TOMO", "EMISSION"]),
        ("ConvolutionKernel", "B30f"),
        ("SequenceVariant", ["SK", "SP"]),
    ],
)
def test_what_scanners_write_in_coded_elements_is_kept(keyword: str, value: str | list[str]) -> None:
    assert read(dicom(**{keyword: value}))[keyword] == value


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": Image.Exif().tobytes()}])
def test_each_form_of_webp_says_its_size(options: dict[str, Any]) -> None:
    expected = {"Format": "WebP", "Columns": 301, "Rows": 200, "PixelWarning": [pixel_warnings.NOT_DICOM]}

    assert read(picture("WEBP", (301, 200), **options)) == expected


# What is damaged


def element(group: int, number: int, kind: bytes, length: int) -> bytes:
    return struct.pack("<HH2sHL", group, number, kind, 0, length)


UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
DAMAGE = {
    "a value without its delimiter": element(0x21, 0x1001, b"OB", UNDEFINED) + b"x" * 50,
    "a sequence of no items": element(0x20, 0x9221, b"SQ", UNDEFINED) + b"garbage!" * 4,
    "an item without end": element(0x20, 0x9221, b"SQ", UNDEFINED) + ITEM + b"\x08\0\x60\0CS\2\0CT",
    "an item of nonsense": element(0x20, 0x9221, b"SQ", UNDEFINED) + ITEM + b"\x08\0\x60\0\xff\xfe\2\0CT",
    "sequences three thousand deep": (element(0x20, 0x9221, b"SQ", UNDEFINED) + ITEM) * 3000,
    "a length beyond the end": element(0x21, 0x1001, b"OB", 0x7FFFFFFF),
    "a sequence that is too short": element(0x20, 0x9221, b"SQ", 1000) + ITEM,
    "an unknown kind of value": struct.pack("<HH2sH", 0x21, 0x1001, b"\xc3\x28", 4) + b"abcd",
}


@pytest.mark.parametrize("is_last", [True, False], ids=["last", "amid"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_malformed_element_leaves_the_attributes_before_it(damage: str, *, is_last: bool) -> None:
    whole = dicom(Manufacturer="ACME", BodyPartExamined="CHEST", KVP="119.75")
    at = whole.index(b"\x28\0\x02\0US")

    found = read(whole[:at] + DAMAGE[damage] + (b"" if is_last else whole[at:]))

    before = {"Modality": "CT", "Manufacturer": "ACME", "BodyPartExamined": "CHEST", "KVP": 119.75}
    assert before.items() <= found.items()
    assert found["HeaderWarning"] == DAMAGED
    assert "HeaderWarning" not in read(whole)


def test_a_character_set_that_cannot_be_read_costs_no_other_attribute() -> None:
    made = dicom(SpecificCharacterSet="ISO_IR 192", Manufacturer="ACME").replace(b"ISO_IR 192", b"\xff\xfe\0\1IR 192")

    found = read(made)

    assert (found["Modality"], found["Manufacturer"], found["Rows"]) == ("CT", "ACME", 4)
    assert found["HeaderWarning"] == DAMAGED


def test_a_value_that_the_file_does_not_hold_to_its_end_is_not_kept() -> None:
    content = dicom(Manufacturer="ACME", KVP="119.75")

    found = read(content[: content.index(b"119.75") + 2])

    assert (found["Manufacturer"], found.get("KVP"), found["HeaderWarning"]) == ("ACME", None, DAMAGED)


def test_a_header_of_too_many_elements_keeps_what_came_before() -> None:
    whole = dicom(Manufacturer="ACME")
    at = whole.index(b"\x28\0\x02\0US")
    many = b"".join(struct.pack("<HH2sH", 0x21, 0x1000 + number, b"LO", 0) for number in range(MOST_ELEMENTS))

    found = inspected(whole[:at] + many + whole[at:])

    assert (found.attributes["Manufacturer"], found.attributes["HeaderWarning"]) == ("ACME", DAMAGED)
    assert found.no_preview == f"Its header has more than {MOST_ELEMENTS} elements."


def test_a_picture_whose_exif_cannot_be_read_keeps_its_size() -> None:
    content = picture("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")

    assert {"Columns": 6, "Rows": 4}.items() <= read(content).items()


def test_a_volume_with_a_field_that_is_no_number_keeps_the_others() -> None:
    volume = bytearray(nifti(np.zeros((5, 30, 40), np.int16)))
    struct.pack_into("<f", volume, 76 + 12, math.inf)
    struct.pack_into("<f", volume, 76 + 4, math.nan)

    assert read(bytes(volume)) == {"Format": "NIfTI", "Columns": 40, "Rows": 30, "NumberOfFrames": 5}


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
