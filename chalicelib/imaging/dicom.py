"""What a DICOM header says, of which as little is read as will do."""

import io
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from chalicelib.imaging import values
from chalicelib.imaging.allowed import ALLOWED, DATE, IDENTIFIERS, NESTED
from chalicelib.imaging.policy import Policy
from chalicelib.imaging.values import Value

LONGEST_VALUE = 64 * 1024
"""What is longer is passed over unread."""

NEVER = {"PN", "SQ", "UN", "AT", "UT", "UR", "OB", "OD", "OF", "OL", "OV", "OW", "OB or OW"}
"""Kinds of values that no setting adds."""

_META_START = 144
"""Behind the preamble, the mark and the element that says how long the file's meta information is."""

_FROM_SCREENS = {"DF", "DI", "DV", "SD", "SI", "WSD"}
_OFTEN_LABELLED = {"DOC", "ES", "GM", "IVUS", "OT", "SC", "US", "XC"}


def unknown_keywords(keywords: Iterable[str]) -> list[str]:
    """Those that name no element, or one that is never kept, or kept otherwise: of a date as much as the policy says,
    of an identifier its hash."""
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    otherwise = {DATE, *IDENTIFIERS}
    return [word for word, tag in tags.items() if tag is None or dictionary_VR(tag) in NEVER or word in otherwise]


def header(file: io.IOBase, keywords: Iterable[str], longest: int = LONGEST_VALUE) -> FileDataset:
    """The named elements of the top, as far as the file goes; all others are passed over."""
    tags = {tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None}
    last = max(tags)
    file.seek(0)
    return read_partial(
        file,  # type: ignore[arg-type]
        lambda tag, *_: tag > last,
        defer_size=longest,
        force=True,
        specific_tags=list(tags),
    )


def inflated(file: io.IOBase, most: int) -> io.IOBase:
    """A file of the deflated transfer syntax as one of the same without; never more than so many bytes of it."""
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


def attributes(file: io.IOBase, policy: Policy) -> dict[str, Value]:
    nested = {path[0] for path in NESTED.values()}
    found = header(file, {*ALLOWED, *IDENTIFIERS, DATE, *nested, *policy.extra})
    kept = _kept(found, [*ALLOWED, *policy.extra]) | _nested(found)
    kept |= _identifiers(found, policy.identifier_key)
    if day := values.date(str(_raw(found, DATE) or ""), policy.study_date):
        kept[DATE] = day
    if syntax := _kept(found.file_meta, ["TransferSyntaxUID"]):
        kept |= syntax
    kept.setdefault(
        "SOPClassUID", _kept(found.file_meta, ["MediaStorageSOPClassUID"]).get("MediaStorageSOPClassUID", "")
    )
    if warnings := pixel_warnings(kept):
        kept["PixelWarning"] = warnings
    return {keyword: value for keyword, value in kept.items() if value != ""}


def pixel_warnings(found: Mapping[str, Value]) -> list[Value]:
    """By what the standard says of the pixels' own secrets: burned-in annotation (PS3.3 C.7.6.1, C.8.6.1) and
    recognisable features; and by the kind of device, which mostly tells."""
    rules = {
        "The file says that annotation is burned into its pixels.": found.get("BurnedInAnnotation") == "YES",
        "The file says that its pixels show recognisable features.": found.get("RecognizableVisualFeatures") == "YES",
        "It was captured from a screen or paper, which often shows names.": found.get("ConversionType")
        in _FROM_SCREENS,
        "Pictures of this modality often have names burned in.": found.get("Modality") in _OFTEN_LABELLED
        and found.get("BurnedInAnnotation") != "NO",
    }
    return [warning for warning, holds in rules.items() if holds]


def _kept(dataset: Dataset, keywords: Iterable[str]) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for keyword in keywords:
        with suppress(Exception):  # whatever is wrong with one element, the others are good
            element = _element(dataset, keyword)
            if element is not None and (value := values.value_of(element)) is not None:
                kept[keyword] = value
    return kept


def _element(dataset: Dataset, keyword: str) -> Any:
    """None too for one that was passed over because of its length."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return None
    raw = dataset.get_item(tag)
    return None if raw.value is None else dataset[tag]


def _raw(dataset: Dataset, keyword: str) -> Any:
    with suppress(Exception):
        element = _element(dataset, keyword)
        return None if element is None else element.value
    return None


def _nested(dataset: Dataset) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for keyword, path in NESTED.items():
        within: Any = dataset
        for step in path:
            items = _raw(within, step) if within is not None else None
            within = items[0] if items else None
        if within is not None:
            kept |= _kept(within, [keyword])
    return kept


def _identifiers(dataset: Dataset, key: bytes | None) -> dict[str, Value]:
    if key is None:
        return {}
    given = {keyword: str(_raw(dataset, keyword) or "") for keyword in IDENTIFIERS}
    return {keyword: digest for keyword, uid in given.items() if (digest := values.hashed(uid, keyword, key))}
