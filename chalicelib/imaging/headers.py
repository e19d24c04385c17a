"""Reads the header of a DICOM file: the elements that are needed, as far as the file can be read."""

import io
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from chalicelib.imaging.limits import MOST_ELEMENTS

LONGEST_VALUE = 64 * 1024
"""Bytes; a longer value is skipped."""

_META_START = 144
"""Bytes of the preamble, the prefix and the element that holds the length of the file's meta information."""
_CHARACTER_SET = 0x00080005
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Header:
    elements: FileDataset
    is_whole: bool
    """False: it is damaged, longer than may be read, or has too many elements; what could be read is there."""
    has_too_many: bool = False


@dataclass
class _Walk:
    """The elements at the top level that pydicom meets, of which it asks whether to stop."""

    file: io.IOBase
    tags: set[int]
    most: int = MOST_ELEMENTS
    met: int = 0
    has_met_wanted: bool = False
    value_at: int = 0
    length: int = 0
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.last = max(self.tags)

    def is_over(self, tag: int, _: str | None, length: int) -> bool:
        if tag > self.last or self.met >= self.most:
            return True
        self.met += 1
        self.has_met_wanted |= tag in self.tags
        self.value_at, self.length = self.file.tell(), length
        return False


def read(file: io.IOBase, keywords: Iterable[str], longest: int = LONGEST_VALUE) -> Header:
    """The named elements at the top level. An element that cannot be read ends the header there, and what came before
    it is kept; if its length is known, reading continues after it. Afterwards the file's position is the first
    element that comes after all of the named ones."""
    walk = _Walk(file, {_CHARACTER_SET, *(tag for each in keywords if (tag := tag_for_keyword(each)) is not None)})
    try:
        elements = _read(file, walk, longest)
    except Exception:  # noqa: BLE001 (a header can be wrong in any way)
        return Header(_up_to_the_fault(file, walk, longest), is_whole=False)
    if walk.has_met_wanted and not elements:  # pydicom drops all elements when the file ends within one
        return Header(_up_to_the_fault(file, walk, longest), is_whole=False)
    has_too_many = walk.met >= MOST_ELEMENTS
    is_whole = walk.met > 0 and not has_too_many and not _ends_early(file) and not any(map(is_cut, elements.values()))
    return Header(elements, is_whole, has_too_many)


def is_cut(element: object) -> bool:
    """Whether the file ends within the value."""
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED or element.value is None:
        return False
    return len(element.value) < element.length


def inflated(file: io.IOBase, most: int) -> io.IOBase:
    """A file of the deflated transfer syntax as one of the same syntax without compression, of at most this many
    bytes. Any other file as it is."""
    file.seek(0)
    start = file.read(_META_START)
    if start[128:138] != b"DICM\x02\0\0\0UL":
        return file
    meta = file.read(min(LONGEST_VALUE, int.from_bytes(start[140:144], "little")))
    deflated, plain = DeflatedExplicitVRLittleEndian.encode(), ExplicitVRLittleEndian.encode()
    if deflated not in meta:
        return file
    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), most)
    return io.BytesIO(start + meta.replace(deflated, plain.ljust(len(deflated), b"\0")) + content)


def _read(file: io.IOBase, walk: _Walk, longest: int) -> FileDataset:
    file.seek(0)
    return read_partial(
        file,  # type: ignore[arg-type]
        walk.is_over,
        defer_size=longest,
        force=True,
        specific_tags=list(walk.tags),
    )


def _up_to_the_fault(file: io.IOBase, walk: _Walk, longest: int) -> FileDataset:
    """Reads the header again, up to the element that was met last, and from its end on if that is known."""
    try:
        elements = _read(file, _Walk(file, walk.tags, walk.met - 1), longest)
    except Exception:  # noqa: BLE001 (the fault is before the first element)
        return FileDataset("", {}, file_meta=FileMetaDataset())
    if walk.length == _UNDEFINED:
        return elements
    file.seek(walk.value_at + walk.length)
    with suppress(Exception):  # it has a second fault; what came before the first is kept
        elements.update(_rest(file, elements, walk, longest))
    return elements


def _rest(file: io.IOBase, elements: FileDataset, walk: _Walk, longest: int) -> Dataset:
    is_implicit, is_little_endian = elements.original_encoding
    return read_dataset(
        file,  # type: ignore[arg-type]
        bool(is_implicit),
        bool(is_little_endian),
        stop_when=_Walk(file, walk.tags).is_over,
        defer_size=longest,
        specific_tags=list(walk.tags),
    )


def _ends_early(file: io.IOBase) -> bool:
    """Whether an element was skipped that goes on after the end of the file, or of what may be read of it."""
    place = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(place)
    return place > end or getattr(file, "spent", False)
