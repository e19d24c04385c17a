"""What a DICOM header says, of which as little is read as will do."""

import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from chalicelib.imaging import headers, pixel_warnings, terms, values
from chalicelib.imaging.allowed import ALLOWED, DATE, IDENTIFIERS, NESTED
from chalicelib.imaging.identifying import IDENTIFYING
from chalicelib.imaging.policy import Policy
from chalicelib.imaging.values import DAMAGED, Value

NEVER = {"PN", "SQ", "UN", "AT", "UT", "UR", "OB", "OD", "OF", "OL", "OV", "OW", "OB or OW"}
"""Kinds of values that no setting adds."""

_DATES_AND_UIDS = {"DA", "DT", "TM", "UI"}


def is_keyword(word: str) -> bool:
    return tag_for_keyword(word) is not None


def unknown_keywords(keywords: Iterable[str]) -> list[str]:
    """Those that name no element, or one that is never kept, or kept otherwise: of a date as much as the policy says,
    of an identifier its hash."""
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    otherwise = {DATE, *IDENTIFIERS}
    return [word for word, tag in tags.items() if tag is None or dictionary_VR(tag) in NEVER or word in otherwise]


def identifying_keywords(keywords: Iterable[str]) -> list[str]:
    """Those of elements that identify people, or may: all of the basic confidentiality profile, dates, times, UIDs."""
    others = [keyword for keyword in keywords if keyword not in ALLOWED]
    return [keyword for keyword in others if keyword in IDENTIFYING or dictionary_VR(keyword) in _DATES_AND_UIDS]


def attributes(file: io.IOBase, policy: Policy) -> dict[str, Value]:
    nested = {path[0] for path in NESTED.values()}
    header = headers.read(file, {*ALLOWED, *IDENTIFIERS, DATE, *nested, *policy.extra})
    found = header.elements
    kept = _kept(found, [*ALLOWED, *policy.extra]) | _nested(found)
    kept |= _identifiers(found, policy.identifier_key)
    if day := values.date(str(_raw(found, DATE) or ""), policy.study_date):
        kept[DATE] = day
    kept |= _kept(found.file_meta, ["TransferSyntaxUID"])
    if stored_as := _kept(found.file_meta, ["MediaStorageSOPClassUID"]):
        kept.setdefault("SOPClassUID", stored_as["MediaStorageSOPClassUID"])
    if warnings := pixel_warnings.of_dicom(kept | _unknown_conversion(found)):
        kept["PixelWarning"] = warnings
    return kept if header.is_whole else kept | {"HeaderWarning": DAMAGED}


def _unknown_conversion(dataset: Dataset) -> dict[str, Value]:
    """A ConversionType that is no defined term is not kept, but tells that the image was converted."""
    return {"ConversionType": "unknown"} if _raw(dataset, "ConversionType") else {}


def _kept(dataset: Dataset, keywords: Iterable[str]) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for keyword in keywords:
        with suppress(Exception):  # whatever is wrong with one element, the others are good
            element = _element(dataset, keyword)
            value = None if element is None else values.value_of(element)
            if value is not None and (value := terms.known(keyword, value)) is not None:
                kept[keyword] = value
    return kept


def _element(dataset: Dataset, keyword: str) -> Any:
    """None too for one that was skipped because of its length, or whose value the file does not hold to its end."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return None
    raw = dataset.get_item(tag)
    return None if raw.value is None or headers.is_cut(raw) else dataset[tag]


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
