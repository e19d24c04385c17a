"""The size that a compressed stream itself declares, and the work that it asks of a decoder, read without decoding."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.imaging.limits import MOST_PARTS, MOST_PIXELS, MOST_SCANS, NoPreviewError

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""In the compressed data of a JPEG, 0xFF is followed by 0 or by a restart marker."""
_CODESTREAM = re.compile(rb"\xff\x4f\xff\x51")
"""SOC and SIZ, with which a JPEG 2000 code stream begins (ISO/IEC 15444-1, Annex A)."""

_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 (ISO/IEC 10918-1, Table B.1), and SOF55 of JPEG-LS (ISO/IEC 14495-1)."""


@dataclass(frozen=True)
class Size:
    columns: int
    rows: int
    samples: int


def size(stream: bytes) -> Size | None:
    """The largest size that the headers of a JPEG, JPEG-LS or JPEG 2000 stream declare; None for any other stream."""
    if stream.startswith(b"\xff\xd8"):
        headers = [at for marker, at in _markers(stream) if marker in _FRAME_HEADERS]
        declared = [_size_of_frame_header(stream, at) for at in headers]
    else:
        # In the file format JP2, boxes that decoders skip may hold the start of another code stream.
        declared = [_size_of_codestream(stream, found.start()) for found in _CODESTREAM.finditer(stream)]
    return max(declared, key=lambda each: each.columns * each.rows * each.samples, default=None)


def check_size(stream: bytes, columns: int, rows: int, samples: int) -> None:
    """Compares the stream's own size with the size that the file declares around it. A decoder obeys the stream.
    Raises NoPreviewError."""
    own = size(stream)
    if own is None:
        return
    if own.columns * own.rows * own.samples > MOST_PIXELS:
        raise NoPreviewError(f"Its {own.columns} x {own.rows} pixels are more than a preview is made of.")
    if (own.columns, own.rows) != (columns, rows) or own.samples > max(samples, 1):
        raise NoPreviewError(
            f"Its header declares {columns} x {rows} pixels, but the compressed image has {own.columns} x {own.rows}."
        )


def check_scans(stream: bytes) -> None:
    """Counts the scans of a JPEG, since a decoder passes over the whole picture for each, and its segments. Raises
    NoPreviewError."""
    scans = 0
    for number, (marker, _) in enumerate(_markers(stream)):
        scans += marker == _SOS
        if scans > MOST_SCANS:
            raise NoPreviewError(f"It has more than {MOST_SCANS} scans, which take too long to decode.")
        _check_parts(number)


def check_chunks(stream: bytes) -> None:
    """Counts the chunks of a PNG. Raises NoPreviewError."""
    place, number = 8, 0
    while place < len(stream) and stream[place + 4 : place + 8] != b"IEND":
        place += 12 + int.from_bytes(stream[place : place + 4], "big")
        number += 1
        _check_parts(number)


def _check_parts(number: int) -> None:
    if number > MOST_PARTS:
        raise NoPreviewError(f"It has more than {MOST_PARTS} parts, which take too long to read.")


def _markers(stream: bytes) -> Iterator[tuple[int, int]]:
    """Each marker up to the end of the image, and where its segment begins. Segments are skipped: a thumbnail in
    one is not the picture."""
    if not stream.startswith(b"\xff\xd8"):
        return
    place = 2
    while found := _MARKER.search(stream, place):
        marker, place = found[0][1], found.end()
        yield marker, place
        if marker == _EOI:
            return
        if marker not in (_SOI, _TEM):
            place += int.from_bytes(stream[place : place + 2], "big")


def _size_of_frame_header(stream: bytes, at: int) -> Size:
    rows, columns = (int.from_bytes(stream[place : place + 2], "big") for place in (at + 3, at + 5))
    return Size(columns, rows, int.from_bytes(stream[at + 7 : at + 8], "big"))


def _size_of_codestream(stream: bytes, start: int) -> Size:
    right, bottom, left, top = (
        int.from_bytes(stream[place : place + 4], "big") for place in range(start + 8, start + 24, 4)
    )
    return Size(right - left, bottom - top, int.from_bytes(stream[start + 40 : start + 42], "big"))
