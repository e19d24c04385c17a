"""DICOM's values in a form that searches well."""

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement

Value = str | int | float | list[Any]

DAMAGED = "Part of its header cannot be read, so attributes may be missing."
"""Said as HeaderWarning."""

MOST_VALUES = 16
LONGEST_TEXT = 64

_NUMBERS = {"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"}
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_UID = re.compile(r"[0-9.]{1,64}")
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?")


def value_of(element: DataElement) -> Value | None:
    """None for what is empty, malformed or of a kind that is never kept: names of persons, sequences, bytes. The
    dictionary says what an element is, not the file, which could call a name a code."""
    given = element.value
    if given is None or element.VR not in dictionary_VR(element.tag).split(" or "):
        return None
    many = list(given) if not isinstance(given, str) and isinstance(given, Iterable) else [given]
    converted = [_one(element.VR, each) for each in many[:MOST_VALUES]]
    kept = [each for each in converted if each is not None]
    if not kept or (element.VR in _NUMBERS and len(kept) < len(converted)):  # half a spacing is none
        return None
    return kept if len(many) > 1 else kept[0]


def _one(kind: str, value: Any) -> str | int | float | None:
    if kind in _NUMBERS:
        return number(value)
    convert = _TEXTS.get(kind)
    return convert(str(value).strip(" \0")) if convert else None


def number(value: Any) -> int | float | None:
    exact = float(value)
    if not math.isfinite(exact) or abs(exact) > 1e15:
        return None
    return int(exact) if exact.is_integer() else exact


def text(value: str) -> str | None:
    """Short, and in one line."""
    return value if value.isprintable() and 0 < len(value) <= LONGEST_TEXT else None


def date(value: str, detail: str = "day") -> str | None:
    """ISO 8601, cut after the year, the month or the day."""
    found = _DATE.fullmatch(value)
    kept = {"day": 3, "month": 2, "year": 1, "none": 0}[detail]
    return "-".join(found.groups()[:kept]) or None if found else None


def hashed(identifier: str, keyword: str, key: bytes) -> str | None:
    if not _UID.fullmatch(identifier):
        return None
    return hmac.digest(key, f"{keyword}\0{identifier}".encode(), hashlib.sha256).hex()[:32]


def _code(value: str) -> str | None:
    return value if _CODE.fullmatch(value) else None


def _uid(value: str) -> str | None:
    return value if _UID.fullmatch(value) else None


def _day(value: str) -> str | None:
    return date(value[:8])


def _time(value: str) -> str | None:
    found = _TIME.fullmatch(value)
    return ":".join(part for part in found.groups()[:3] if part) if found else None


_TEXTS: dict[str, Callable[[str], str | None]] = {
    "AE": text,
    "CS": _code,
    "DT": _day,
    "DA": date,
    "LO": text,
    "SH": text,
    "TM": _time,
    "UI": _uid,
    "AS": _code,
    "ST": text,
    "LT": text,
    "UC": text,
}
