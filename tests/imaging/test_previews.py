"""What a preview shows, held against pixels that are computed here by the formulas of PS3.3 C.11.2."""

import gzip
import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from chalicelib.imaging import frames, preview
from tests.imaging.files import Watched, bundled, dataset, dicom, inspected, picture, pixels, written

Grey = NDArray[np.uint8]

SAME_PIXELS_AS_MR_SMALL = [
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
]
COLOURED = [
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_rle.dcm",
]
WITH_A_WINDOW = [
    "77654033/CR1/6154",  # MONOCHROME1, rescaled
    "77654033/CR2/6247",
    "77654033/CR3/6278",
    "77654033/CT2/17106",  # signed, rescaled
    "98892001/CT2N/6293",
    "98892001/CT5N/2062",
    "98892003/MR1/15820",
    "98892003/MR2/4981",
    "98892003/MR700/4467",
]


def shown(content: bytes) -> tuple[Grey, float]:
    return frames.middle_frame(io.BytesIO(content), len(content))


def by_the_formula(stored: int, made: Dataset) -> int:
    """C.11.2.1.2.1, word by word, to 0..255."""
    x = stored * float(made.get("RescaleSlope", 1)) + float(made.get("RescaleIntercept", 0))
    center, width = (float(np.atleast_1d(made[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    if x <= center - 0.5 - (width - 1) / 2:
        y = 0.0
    elif x > center - 0.5 + (width - 1) / 2:
        y = 255.0
    else:
        y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    return round(255 - y if made.PhotometricInterpretation == "MONOCHROME1" else y)


def computed(made: Dataset) -> Grey:
    """From the bytes of a file that is not compressed."""
    kind = "h" if made.PixelRepresentation else "H"
    count = made.Rows * made.Columns
    stored = struct.unpack(f"<{count}{kind}", made.PixelData[: 2 * count])
    return np.array([by_the_formula(each, made) for each in stored]).reshape(made.Rows, made.Columns)


def differ_at_most_by(most: int, first: Any, second: Any) -> bool:
    return bool(np.abs(np.asarray(first, int) - np.asarray(second, int)).max() <= most)


@pytest.mark.parametrize("name", SAME_PIXELS_AS_MR_SMALL)
def test_every_lossless_transfer_syntax_shows_the_same_window(name: str) -> None:
    native = pydicom.dcmread(io.BytesIO(bundled("MR_small.dcm")))

    assert differ_at_most_by(1, shown(bundled(name))[0], computed(native))


@pytest.mark.parametrize("name", WITH_A_WINDOW)
def test_a_window_is_applied_behind_the_rescaling(name: str) -> None:
    path = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / name

    assert differ_at_most_by(1, shown(path.read_bytes())[0], computed(pydicom.dcmread(path)))


def test_the_encoded_preview_shows_what_was_computed() -> None:
    native = pydicom.dcmread(io.BytesIO(bundled("MR_small.dcm")))

    seen = pixels(inspected(bundled("MR_small_jpeg_ls_lossless.dcm")).preview)[..., 0]

    assert seen.shape == (64, 64)
    assert np.abs(seen - computed(native)).mean() < 4


def test_jpeg_lossless_is_shown_as_its_window_says(knee: bytes) -> None:
    made = pydicom.dcmread(io.BytesIO(knee))
    stored = made.pixel_array

    picked = [(row, column) for row in range(0, 256, 17) for column in range(0, 256, 17)]
    seen = shown(knee)[0]
    assert made.file_meta.TransferSyntaxUID.name.startswith("JPEG Lossless")
    assert all(abs(int(seen[at]) - by_the_formula(int(stored[at]), made)) <= 1 for at in picked)


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        ("LINEAR_EXACT", lambda x: min(1, max(0, (x - 8) / 10 + 0.5))),
        ("SIGMOID", lambda x: 1 / (1 + math.exp(-4 * (x - 8) / 10))),
        ("LINEAR", lambda x: min(1, max(0, (x - 7.5) / 9 + 0.5))),
    ],
)
def test_each_voi_function_is_its_own_formula(function: str, formula: Any) -> None:
    content = dicom(WindowCenter="8", WindowWidth="10", VOILUTFunction=function)

    expected = [round(255 * formula(x)) for x in range(16)]
    assert differ_at_most_by(1, shown(content)[0].ravel(), expected)


def test_a_window_of_one_is_a_step() -> None:
    seen = shown(dicom(WindowCenter="8", WindowWidth="1"))[0].ravel()

    assert list(seen) == [0] * 8 + [255] * 8


def test_a_voi_table_goes_before_a_window() -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [16, 0, 8], [255 - 10 * value for value in range(16)]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"

    seen = shown(dicom(VOILUTSequence=Sequence([table]), WindowCenter="8", WindowWidth="10"))[0].ravel()

    assert differ_at_most_by(1, seen, table.LUTData)


def test_without_a_window_the_least_is_black_and_the_greatest_white_but_for_padding() -> None:
    values = np.array([-2000] * 4 + list(range(100, 112)), "<i2")
    padded = dataset(PixelRepresentation=1, PixelData=values.tobytes())
    padded.add_new(0x00280120, "SS", -2000)

    seen = shown(written(padded))[0].ravel()

    assert list(seen[:5]) == [0] * 5
    assert seen[-1] == 255
    assert 100 < seen[10] < 160


def expected_without_a_window(values: NDArray[np.int16], padding: NDArray[np.bool_], *, inverted: bool) -> list[int]:
    low, high = np.percentile(values[~padding], (0.5, 99.5))
    shades = [min(1.0, max(0.0, (float(each) - low) / (high - low))) for each in values]
    shades = [1 - shade if inverted else shade for shade in shades]
    return [0 if pad else round(255 * shade) for shade, pad in zip(shades, padding, strict=True)]


@pytest.mark.parametrize("rescaled", [{}, {"RescaleSlope": "2", "RescaleIntercept": "-1024"}], ids=["", "rescaled"])
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("padding", "elements"),
    [
        ((-2000, -2000), {0x00280120: -2000}),
        ((3000, 3000), {0x00280120: 3000}),
        ((-2000, -1990), {0x00280120: -2000, 0x00280121: -1990}),
        ((2990, 3000), {0x00280120: 3000, 0x00280121: 2990}),
    ],
    ids=["below", "above", "a range below", "a range above"],
)
def test_padding_is_left_out_and_shown_black(
    padding: tuple[int, int], elements: dict[int, int], interpretation: str, rescaled: dict[str, Any]
) -> None:
    low, high = padding
    values = np.array([low, low, high, high, *range(100, 112)], "<i2")
    made = dataset(
        PixelRepresentation=1, PixelData=values.tobytes(), PhotometricInterpretation=interpretation, **rescaled
    )
    for tag, value in elements.items():
        made.add_new(tag, "SS", value)

    is_padding, inverted = np.array([True] * 4 + [False] * 12), interpretation == "MONOCHROME1"
    expected = expected_without_a_window(values, is_padding, inverted=inverted)
    assert differ_at_most_by(1, shown(written(made))[0].ravel(), expected)


@pytest.mark.parametrize("kind", ["SS", "US"])
@pytest.mark.parametrize(
    "elements",
    [
        {"PixelRepresentation": 1, "PixelData": np.arange(-8, 8, dtype="<i2").tobytes()},
        {"RescaleSlope": "1", "RescaleIntercept": "-8"},
    ],
    ids=["signed", "rescaled"],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
def test_a_voi_table_that_begins_below_zero_does_so_in_whatever_form(
    kind: str, elements: dict[str, Any], syntax: UID
) -> None:
    table, entries = Dataset(), [255 - 10 * value for value in range(16)]
    table.add_new(0x00283002, kind, [16, -8 if kind == "SS" else 2**16 - 8, 8])
    table.add_new(0x00283006, "US", entries)

    seen = shown(written(dataset(syntax, VOILUTSequence=Sequence([table]), **elements)))[0].ravel()

    assert differ_at_most_by(1, seen, entries)


def test_a_voi_table_of_8_bits_may_have_more_than_256_entries() -> None:
    table, entries = Dataset(), [number // 16 for number in range(4096)]
    table.add_new(0x00283002, "US", [4096, 0, 8])
    table.add_new(0x00283006, "US", entries)
    stored = np.arange(0, 4096, 256, dtype="<u2")

    seen = shown(dicom(PixelData=stored.tobytes(), VOILUTSequence=Sequence([table])))[0].ravel()

    assert differ_at_most_by(1, seen, [entries[each] for each in stored])


def test_palette_colours_are_looked_up() -> None:
    colours: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR", "BitsAllocated": 8, "BitsStored": 8}
    colours |= {"HighBit": 7, "PixelData": bytes([0, 1, 2, 3] * 4)}
    made = dataset(**colours)
    tables = {"Red": [255, 0, 0, 9], "Green": [0, 255, 0, 9], "Blue": [0, 0, 255, 9]}
    for number, (colour, table) in enumerate(tables.items()):
        made.add_new(0x00281101 + number, "US", [4, 0, 16])
        setattr(made, f"{colour}PaletteColorLookupTableData", struct.pack("<4H", *(one * 257 for one in table)))

    assert shown(written(made))[0][0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]


@pytest.mark.parametrize("name", COLOURED)
def test_ybr_is_shown_in_the_colours_it_means(name: str) -> None:
    seen = shown(bundled(name))[0]

    for row, colour in ((5, (254, 0, 0)), (25, (0, 254, 0)), (45, (0, 0, 254)), (65, (0, 0, 0)), (95, (255, 255, 255))):
        assert differ_at_most_by(8, seen[row, 50], colour), (name, row)


def test_of_many_frames_the_middle_one_is_shown_and_only_it_is_read() -> None:
    frame = 200 * 1024
    content = b"".join(number.to_bytes(2, "little") * (frame // 2) for number in range(100))
    window = {"WindowCenter": "50", "WindowWidth": "100"}
    many = Watched(dicom(Rows=320, Columns=320, NumberOfFrames=100, PixelData=content, **window))

    seen = pixels(inspected(many).preview)

    assert seen.mean() == pytest.approx(((50 - 49.5) / 99 + 0.5) * 255, abs=3)
    assert many.bytes_fetched < 3 * frame


@pytest.mark.parametrize(("side", "count"), [(60, 2000), (300, 400)])
def test_frames_without_a_table_of_their_places_are_walked_through_in_few_fetches(side: int, count: int) -> None:
    output = io.BytesIO()
    Image.effect_noise((side, side), 60).save(output, "JPEG", quality=90)
    described = {"Rows": side, "Columns": side, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    made = dataset(JPEGBaseline8Bit, NumberOfFrames=count, **described)
    made.PixelData = encapsulate([output.getvalue()] * count, has_bot=False)
    made["PixelData"].VR = "OB"
    many = Watched(written(made))

    found = inspected(many)

    assert found.preview is not None
    assert len(many.fetched) < 30
    assert many.bytes_fetched <= len(many.content)


def test_frames_of_the_enhanced_kind_have_windows_of_their_own() -> None:
    groups = []
    for center in ("4", "8"):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, "1"
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    content = dicom(
        NumberOfFrames=2, PixelData=np.arange(16, dtype="<u2").tobytes() * 2, PerFrameFunctionalGroupsSequence=groups
    )

    assert list(shown(content)[0].ravel()) == [0] * 8 + [255] * 8


def test_a_pixel_that_is_higher_than_wide_stays_so() -> None:
    found = pixels(inspected(dicom(Rows=100, Columns=100, PixelSpacing=["2", "1"], PixelData=bytes(20_000))).preview)

    assert found.shape[:2] == (200, 100)


def test_so_does_one_of_the_enhanced_kind() -> None:
    measures, group = Dataset(), Dataset()
    measures.PixelSpacing = ["2", "1"]
    group.PixelMeasuresSequence = Sequence([measures])

    assert shown(dicom(SharedFunctionalGroupsSequence=Sequence([group])))[1] == 2


@pytest.mark.parametrize(
    ("size", "aspect", "fitted"),
    [((512, 512), 1, (512, 512)), ((6000, 3000), 1, (512, 256)), ((10, 4), 1, (10, 4)), ((100, 600), 2, (43, 512))],
)
def test_a_preview_is_at_most_512_pixels_wide_and_high_and_never_enlarged(
    size: tuple[int, int], aspect: float, fitted: tuple[int, int]
) -> None:
    assert preview.fitting(*size, aspect) == fitted


# Other kinds


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000"])
def test_a_picture_is_shown_in_its_colours(form: str) -> None:
    found = pixels(inspected(picture(form, (900, 600))).preview)

    assert found.shape == (341, 512, 3)
    assert differ_at_most_by(12, found[100, 100], (200, 40, 40))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_of_24_megapixels_is_shown(progressive: bool) -> None:
    found = pixels(inspected(picture("JPEG", (6000, 4000), progressive=progressive)).preview)

    assert found.shape == (341, 512, 3)


def test_a_photo_of_more_pixels_than_any_camera_takes_is_not() -> None:
    content = picture("JPEG", (8, 8)).replace(b"\0\x08\0\x08\x03", b"\xff\xf0\xff\xf0\x03")

    assert inspected(content).no_preview == "Its 65520 x 65520 pixels are more than a preview is made of."


def test_the_pixels_of_the_frame_that_is_shown_are_counted_and_no_others() -> None:
    output = io.BytesIO()
    small, large = Image.new("1", (4, 4)), Image.new("1", (9000, 9000))
    small.save(output, "TIFF", save_all=True, append_images=[large, small], compression="group4")

    assert inspected(output.getvalue()).no_preview == "Its 9000 x 9000 pixels are more than a preview is made of."


def test_a_photo_is_shown_upright_and_nothing_of_its_exif_is_in_its_preview() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Jane Doe"

    found = inspected(picture("JPEG", (60, 40), exif=exif)).preview

    assert found is not None
    assert Image.open(io.BytesIO(found)).size == (40, 60)
    assert b"Doe" not in found
    assert not Image.open(io.BytesIO(found)).getexif()


def test_sixteen_bits_of_grey_are_spread_over_eight() -> None:
    output = io.BytesIO()
    Image.fromarray(np.linspace(1000, 1255, 64 * 64).reshape(64, 64).astype("<u2")).save(output, "PNG")

    found = pixels(inspected(output.getvalue()).preview)

    assert found.min() < 5
    assert found.max() > 250


def nifti(voxels: NDArray[np.int16]) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 2, 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + voxels.astype("<i2").tobytes()


def test_of_a_nifti_volume_the_middle_slice_is_shown() -> None:
    voxels = np.zeros((5, 30, 40), np.int16)
    voxels[2, :15] = 1000

    found = inspected(nifti(voxels))

    expected = {"Columns": 40, "Rows": 30, "NumberOfFrames": 5, "SliceThickness": 2, "PixelSpacing": [1, 1]}
    assert found.attributes == {"Format": "NIfTI"} | expected
    seen = pixels(found.preview)
    assert (seen[5].mean() < 10, seen[25].mean() > 245) == (True, True)


# Why there is none


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bundled("test-SR.dcm"), "holds no picture"),
        (bundled("rtplan.dcm"), "holds no picture"),
        (bundled("MR_truncated.dcm"), "cannot be decoded"),
        (picture("BMP")[:60], "cannot be decoded"),
        (b"\xff\xd8\xff\xd9", "cannot be decoded"),
        (dicom(Rows=60_000, Columns=60_000), "60000 x 60000 pixels"),
        (gzip.compress(nifti(np.zeros((3, 3, 3), np.int16)), mtime=0), "compressed volume"),
    ],
    ids=["report", "plan", "truncated", "half a picture", "no pixels", "too many pixels", "compressed volume"],
)
def test_a_file_without_a_preview_keeps_its_attributes_and_says_why(content: bytes, reason: str) -> None:
    found = inspected(content)

    assert found.preview is None
    assert reason in (found.no_preview or "")
    assert found.attributes["Format"]


def test_a_transfer_syntax_that_nobody_decodes_is_a_reason() -> None:
    made = dataset()
    made.PixelData = encapsulate([bytes(32)])
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = RLELossless
    content = written(made).replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.9\0")

    assert "transfer syntax" in (inspected(content).no_preview or "")
