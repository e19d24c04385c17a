"""Pictures that are not DICOM, by Pillow: what their headers say, and what they show."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from chalicelib.imaging import cameras, streams
from chalicelib.imaging.kinds import BMP, GIF, JPEG, JPEG_2000, PNG, TIFF, WEBP, Kind
from chalicelib.imaging.limits import MOST_PIXELS, NoPreviewError
from chalicelib.imaging.values import DAMAGED, Value
from chalicelib.imaging.windows import NO_WINDOW_PERCENTILES

Image.MAX_IMAGE_PIXELS = None  # our own bound is checked, and says what it is

FORMATS = {PNG: "PNG", JPEG: "JPEG", TIFF: "TIFF", WEBP: "WEBP", GIF: "GIF", BMP: "BMP", JPEG_2000: "JPEG2000"}
_DEEP = {"I", "F", "I;16", "I;16B", "I;16L"}


def attributes(file: io.IOBase, kind: Kind) -> dict[str, Value]:
    """Size, colours, and the camera that took it; nothing of where, when, whose."""
    if kind == WEBP:
        return _of_webp(file)
    image = _opened(file, kind)
    kept: dict[str, Value] = {"Columns": image.width, "Rows": image.height, "ColorMode": image.mode}
    try:
        if kind == TIFF and (frames := getattr(image, "n_frames", 1)) > 1:
            kept["NumberOfFrames"] = frames
        if kind in (JPEG, TIFF):  # of a PNG it would decode the pixels first
            kept |= _of_exif(image.getexif())
    except Exception:  # noqa: BLE001 (whatever is wrong with these, the size is good)
        kept["HeaderWarning"] = DAMAGED
    return kept


def _of_exif(exif: Image.Exif) -> dict[str, Value]:
    turned = exif.get(ExifTags.Base.Orientation)
    upright = {"Orientation": turned} if isinstance(turned, int) and 1 <= turned <= 8 else {}
    return cameras.attributes(exif) | upright


def _of_webp(file: io.IOBase) -> dict[str, Value]:
    """Its size, where the format has it; Pillow would read the whole file first."""
    file.seek(0)
    head = file.read(30)
    if head[12:16] == b"VP8X":
        width, height = (1 + int.from_bytes(head[place : place + 3], "little") for place in (24, 27))
    elif head[12:16] == b"VP8L":
        both = int.from_bytes(head[21:25], "little")
        width, height = 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(head[place : place + 2], "little") & 0x3FFF for place in (26, 28))
    return {"Columns": width, "Rows": height}


def picture(file: io.IOBase, kind: Kind) -> NDArray[np.uint8]:
    """Grey, RGB or RGBA, upright. Raises NoPreviewError."""
    image = _opened(_checked(file, kind), kind)
    if kind == TIFF:
        image.seek(getattr(image, "n_frames", 1) // 2)
    colours = 1 if kind == JPEG else len(image.getbands())  # what is decoded of a JPEG is drafted smaller
    if image.width * image.height * colours > MOST_PIXELS:
        raise NoPreviewError(f"Its {image.width} x {image.height} pixels are more than a preview is made of.")
    image.draft(None, (1024, 1024))
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _DEEP:
        return _in_8_bits(np.asarray(upright))
    mode = "L" if upright.mode in ("1", "L") else "RGBA" if upright.has_transparency_data else "RGB"
    return np.asarray(upright.convert(mode))


def _checked(file: io.IOBase, kind: Kind) -> io.IOBase:
    """A JPEG or PNG whose parts are counted before a decoder sees them. All of it is needed for both, and is read once.
    Raises NoPreviewError."""
    check = {JPEG: streams.check_scans, PNG: streams.check_chunks}.get(kind)
    if check is None:
        return file
    file.seek(0)
    content = file.read()
    check(content)
    return io.BytesIO(content)


def _opened(file: io.IOBase, kind: Kind) -> Image.Image:
    file.seek(0)
    return Image.open(file, formats=[FORMATS[kind]])  # type: ignore[arg-type]


def _in_8_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = np.percentile(pixels, NO_WINDOW_PERCENTILES)
    shade = (pixels.astype(np.float32) - low) / max(high - low, 1e-9)
    shown: NDArray[np.uint8] = np.rint(np.clip(shade, 0, 1) * 255).astype(np.uint8)
    return shown
