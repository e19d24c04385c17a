"""The middle frame of a DICOM file, as a display shows it."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chalicelib.imaging import headers, streams, windows
from chalicelib.imaging.limits import (
    MOST_ELEMENTS,
    MOST_INFLATED_FOR_PREVIEW,
    MOST_PIXELS,
    MOST_WHOLE,
    NoPreviewError,
)

LONGEST_TABLE = 1024**2
"""Of a lookup table, which is passed over when it is longer; what describes each frame is read however long it is, as
far as a preview may read."""

ENOUGH_PIXELS = 1024
"""A side that is twice as long is thinned out before anything is computed."""

_PIXEL_DATA_HEADER = 12
"""Bytes of tag, VR and length before the items of compressed pixel data, which is always in explicit VR: PS3.5 A.4."""

_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
_GROUPS = {
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "PixelMeasuresSequence": ("PixelSpacing",),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
}
_OF_PIXELS = {
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
}
"""What a decoder needs to know."""

_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_DESCRIBING = {
    *_OF_PIXELS,
    *_OFFSETS,
    *("NumberOfFrames", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelAspectRatio"),
    *("PixelSpacing", "ImagerPixelSpacing", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", _PER_FRAME, _SHARED),
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Descriptor", "Data")
    ),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
}


def middle_frame(file: io.IOBase, size: int) -> tuple[NDArray[np.uint8], float]:
    """Grey or RGB, and how much higher than wide a pixel is. Raises NoPreviewError."""
    file = headers.inflated(file, MOST_INFLATED_FOR_PREVIEW)
    header = headers.read(file, _DESCRIBING, LONGEST_TABLE)
    if header.has_too_many:
        raise NoPreviewError(f"Its header has more than {MOST_ELEMENTS} elements.")
    described = header.elements
    _check(described)
    index = int(described.get("NumberOfFrames") or 1) // 2
    stored = _decoded(file, described, index, size)
    by_frame = _of_frame(described, index)
    return shown(stored, by_frame), _aspect(by_frame)


def shown(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """8 bits, thinned out where it is large."""
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _in_8_bits(apply_color_lut(thinned(stored), dataset)[..., :3])
    if stored.ndim == 3:
        bits = int(dataset.get("BitsStored") or 8)
        return _in_8_bits(thinned(stored), bits)
    return windows.grey(thinned(stored), dataset)


def thinned(pixels: NDArray[Any]) -> NDArray[Any]:
    step = max(1, max(pixels.shape[:2]) // ENOUGH_PIXELS)
    return pixels[::step, ::step]


def _check(described: Dataset) -> None:
    rows, columns = int(described.get("Rows") or 0), int(described.get("Columns") or 0)
    if not rows or not columns:
        raise NoPreviewError("This DICOM object holds no picture.")
    if rows * columns * int(described.get("SamplesPerPixel") or 1) > MOST_PIXELS:
        raise NoPreviewError(f"Its {columns} x {rows} pixels are more than a preview is made of.")


def _decoded(file: io.IOBase, described: FileDataset, index: int, size: int) -> NDArray[Any]:
    """The one frame is found by the offsets of the file, or by walking from item to item. A file that lacks what this
    needs is read as a whole if it is not too large."""
    try:
        if _is_compressed(described):
            file.seek(_PIXEL_DATA_HEADER, io.SEEK_CUR)
            return _decompressed(file, described, index)
        file.seek(0)
        return pixel_array(file, index=index)  # type: ignore[arg-type]
    except (AttributeError, ValueError, RuntimeError, EOFError):
        if size > MOST_WHOLE:
            raise
    file.seek(0)
    whole = dcmread(file, force=True)
    if not whole.file_meta.get("TransferSyntaxUID"):
        whole.file_meta.TransferSyntaxUID = _syntax_of(whole)
    if "PixelData" not in whole and "FloatPixelData" not in whole and "DoubleFloatPixelData" not in whole:
        raise NoPreviewError("This DICOM object holds no picture.")
    if _is_compressed(whole):
        return _decompressed(io.BytesIO(whole.PixelData), whole, index)
    return pixel_array(whole, index=index)


def _is_compressed(described: FileDataset) -> bool:
    syntax = UID(described.file_meta.get("TransferSyntaxUID") or "")
    return syntax.is_transfer_syntax and syntax.is_encapsulated


def _decompressed(items: io.IOBase, described: FileDataset, index: int) -> NDArray[Any]:
    """The frame at `index` of pixel data whose items begin at the current position. What the compressed stream says of
    itself is checked first, as its decoder goes by that."""
    offsets = [described.get(keyword) for keyword in _OFFSETS]
    stream = get_frame(
        items,
        index,
        number_of_frames=int(described.get("NumberOfFrames") or 1),
        extended_offsets=(offsets[0], offsets[1]) if all(offsets) else None,
    )
    streams.check_scans(stream)
    streams.check_size(stream, described.Columns, described.Rows, int(described.get("SamplesPerPixel") or 1))
    alone = FileDataset("", {}, file_meta=described.file_meta)
    for keyword in _OF_PIXELS:
        if keyword in described:
            alone[keyword] = described[keyword]
    alone.add_new("PixelData", "OB", encapsulate([stream]))
    return pixel_array(alone, index=0)


def _syntax_of(dataset: FileDataset) -> UID:
    implicit, little = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _of_frame(described: Dataset, index: int) -> Dataset:
    """With what multi-frame objects of the enhanced kind say of the frame, or of all frames."""
    for sequence, place in ((_SHARED, 0), (_PER_FRAME, index)):
        items = described.get(sequence) or []
        if place < len(items):
            _take_over(described, items[place])
    return described


def _take_over(described: Dataset, groups: Dataset) -> None:
    for group, keywords in _GROUPS.items():
        for item in (groups.get(group) or [])[:1]:
            for keyword in keywords:
                if keyword in item:
                    described[keyword] = item[keyword]


def _aspect(dataset: Dataset) -> float:
    """Vertical by horizontal; 1 where it is not said, or absurd."""
    for keyword in ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"):
        given = dataset.get(keyword)
        if given and len(given) == 2 and float(given[1]) > 0:
            ratio = float(given[0]) / float(given[1])
            return ratio if 0.1 <= ratio <= 10 else 1.0
    return 1.0


def _in_8_bits(pixels: NDArray[Any], bits: int | None = None) -> NDArray[np.uint8]:
    depth = bits or pixels.dtype.itemsize * 8
    return (pixels >> max(0, depth - 8)).astype(np.uint8)
