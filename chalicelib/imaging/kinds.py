"""The kind of a file, by its first bytes and never by its name."""

import struct
import zlib
from dataclasses import dataclass

HEAD_BYTES = 32 * 1024
"""So much of a file is enough to tell."""


@dataclass(frozen=True)
class Kind:
    name: str
    media_types: tuple[str, ...]
    """Under any of which it may be declared."""


DICOM = Kind("DICOM", ("application/dicom",))
NIFTI = Kind("NIfTI", ("application/x-nifti", "image/x-nifti", "application/gzip", "application/x-gzip"))
PNG = Kind("PNG", ("image/png", "image/apng"))
JPEG = Kind("JPEG", ("image/jpeg", "image/pjpeg", "image/mpo"))
TIFF = Kind("TIFF", ("image/tiff", "image/tiff-fx"))
WEBP = Kind("WebP", ("image/webp",))
GIF = Kind("GIF", ("image/gif",))
BMP = Kind("BMP", ("image/bmp", "image/x-bmp", "image/x-ms-bmp"))
JPEG_2000 = Kind("JPEG 2000", ("image/jp2", "image/jpx", "image/jpm", "image/j2k", "image/jpeg2000"))
KINDS = (DICOM, NIFTI, PNG, JPEG, TIFF, WEBP, GIF, BMP, JPEG_2000)

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
)
_BITMAP_HEADERS = {12, 40, 52, 56, 64, 108, 124}

_OTHERS = (
    (0, b"%PDF-", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive, or an office document"),
    (0, b"PK\x05\x06", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (257, b"ustar", "a tar archive"),
    (4, b"ftypheic", "a HEIC picture, which is not supported"),
    (4, b"ftypmif1", "a HEIF picture, which is not supported"),
    (4, b"ftypavif", "an AVIF picture, which is not supported"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"8BPS", "a Photoshop document, which is not supported"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"{\\rtf", "a text document"),
    (0, b"\xd0\xcf\x11\xe0", "an office document"),
    (0, b"<svg", "an SVG drawing, which is not supported"),
    (0, b"<?xml", "an XML document"),
    (0, b"<!DOCTYPE", "an HTML page"),
    (0, b"<!doctype", "an HTML page"),
    (0, b"<html", "an HTML page"),
)


def kind_of(head: bytes) -> Kind | None:
    """None: no image of a kind that is known here."""
    # DICOM before all others: what stands before its mark may look like TIFF, so that slide viewers open it.
    if _is_dicom(head):
        return DICOM
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return BMP
    return NIFTI if is_nifti(unzipped(head)) else None


def refusal(head: bytes) -> str:
    """Why a file of no known kind is refused, for a person."""
    for place, signature, what in _OTHERS:
        if head.startswith(signature, place):
            return f"The file is {what}." if "not supported" in what else f"The file is {what}, not an image."
    if _is_text(head):
        return "The file is a text, not an image."
    return f"The file is no image of a known kind: {', '.join(kind.name for kind in KINDS)}."


def unzipped(head: bytes, most: int = 1024) -> bytes:
    """The beginning of what was compressed by gzip; anything else as it is."""
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, most)
    except zlib.error:
        return b""


def is_nifti(head: bytes) -> bool:
    """Versions 1 and 2, of a single file."""
    sizes = {head[:4], head[3::-1]}
    if (348).to_bytes(4, "little") in sizes:
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return (540).to_bytes(4, "little") in sizes and head[4:8] in (b"n+2\0", b"ni2\0")


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM" or any(_begins_with_elements(head, order) for order in "<>")


def _begins_with_elements(head: bytes, order: str) -> bool:
    """Whether two elements stand there as DICOM's oldest files begin, of the groups 2 or 8 and in order."""
    first = _element(head, 0, order)
    if first is None or first[0] >> 16 not in (2, 8):
        return False
    second = _element(head, first[1], order)
    return second is not None and second[0] > first[0] and second[0] >> 16 in (2, 8, 0x10, 0x20, 0x28)


def _element(head: bytes, place: int, order: str) -> tuple[int, int] | None:
    """Its tag, and where the next begins."""
    if len(head) < place + 12:
        return None
    group, element, kind, short = struct.unpack_from(f"{order}HH2sH", head, place)
    if kind.isalpha() and kind.isupper():
        wide = kind in (b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"UC", b"UR")
        end = place + (12 + struct.unpack_from(f"{order}L", head, place + 8)[0] if wide else 8 + short)
    else:
        end = place + 8 + struct.unpack_from(f"{order}L", head, place + 4)[0]
    return group << 16 | element, end


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")
    return len(text.encode()) >= len(head) - 3 and all(each.isprintable() or each in "\r\n\t\f" for each in text)
