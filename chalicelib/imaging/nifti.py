"""NIfTI of versions 1 and 2, whose header is a fixed table: https://nifti.nimh.nih.gov/nifti-1"""

import io
import math
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.imaging.kinds import unzipped
from chalicelib.imaging.limits import MOST_PIXELS, NoPreviewError
from chalicelib.imaging.values import Value, number
from chalicelib.imaging.windows import between

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


@dataclass(frozen=True)
class Header:
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    """In millimetres, mostly."""
    order: str
    datatype: int
    offset: int


def read(head: bytes) -> Header:
    content = unzipped(head)
    order = "<" if content[0] in (348 & 255, 540 & 255) and content[3] == 0 else ">"
    if struct.unpack_from(f"{order}i", content)[0] == 348:
        dims, kind = struct.unpack_from(f"{order}8h", content, 40), struct.unpack_from(f"{order}h", content, 70)[0]
        spacing, offset = (
            struct.unpack_from(f"{order}8f", content, 76),
            struct.unpack_from(f"{order}f", content, 108)[0],
        )
    else:
        dims, kind = struct.unpack_from(f"{order}8q", content, 16), struct.unpack_from(f"{order}h", content, 12)[0]
        spacing, offset = (
            struct.unpack_from(f"{order}8d", content, 104),
            struct.unpack_from(f"{order}q", content, 168)[0],
        )
    count = min(7, max(0, dims[0]))
    return Header(dims[1 : count + 1], spacing[1 : count + 1], order, kind, int(offset))


def attributes(head: bytes) -> dict[str, Value]:
    header = read(head)
    found: dict[str, Value] = {}
    for keyword, read_value in _ATTRIBUTES.items():
        with suppress(ValueError, IndexError, OverflowError):  # whatever is wrong with one field, the others are good
            if (value := read_value(header)) is not None:
                found[keyword] = value
    return found


def _spacing(header: Header) -> list[Any] | None:
    both = [number(round(each, 6)) for each in header.spacing[1::-1]]
    return both if len(both) == 2 and None not in both else None


_ATTRIBUTES: dict[str, Callable[[Header], Value | None]] = {
    "Columns": lambda header: number(header.shape[0]),
    "Rows": lambda header: number(header.shape[1]),
    "NumberOfFrames": lambda header: number(math.prod(header.shape[2:])) if header.shape[2:] else None,
    "SliceThickness": lambda header: number(round(header.spacing[2], 6)),
    "PixelSpacing": _spacing,
}


def middle_slice(file: io.IOBase, head: bytes) -> tuple[NDArray[np.uint8], float]:
    """Across the third axis, its front up; and how much higher than wide a pixel is."""
    header = read(head)
    if head.startswith(b"\x1f\x8b"):
        raise NoPreviewError("Of a compressed volume no preview is made.")
    if header.datatype not in _TYPES or len(header.shape) < 2 or min(header.shape) < 1:
        raise NoPreviewError("Its voxels are of a kind of which no preview is made.")
    width, height = header.shape[:2]
    if width * height > MOST_PIXELS:
        raise NoPreviewError(f"Its {width} x {height} pixels are more than a preview is made of.")
    kind = np.dtype(header.order + _TYPES[header.datatype])
    depth = header.shape[2] if len(header.shape) > 2 else 1
    file.seek(header.offset + depth // 2 * width * height * kind.itemsize)
    voxels = np.frombuffer(file.read(width * height * kind.itemsize), kind).reshape(height, width)
    return np.rint(between(voxels[::-1]) * 255).astype(np.uint8), _aspect(header.spacing)


def _aspect(spacing: tuple[float, ...]) -> float:
    ratio = spacing[1] / spacing[0] if spacing[0] > 0 else 1.0
    return ratio if 0.1 <= ratio <= 10 else 1.0
