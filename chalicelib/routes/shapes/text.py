"""Which text and numbers are taken, and as what."""

import base64
import binascii
import json
import math
import mimetypes
import re
from typing import Any

from pydantic_core import PydanticCustomError

from chalicelib.services.limits import CONTROL, MAX_TAG_LENGTH, undeceiving

MAX_SIZE = 5 * 1024**4
MAX_METADATA_BYTES = 16 * 1024
MAX_METADATA_KEYS = 50
MAX_METADATA_KEY_LENGTH = 128
MAX_SEARCHED_LENGTH = 1024
LAST_TIMESTAMP = 253_402_300_799
"""The end of the year 9999."""

CLEAN_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""CONTROL as the OpenAPI document says it; no lone surrogate comes over HTTP as one."""

METADATA_KEY_PATTERN = rf"^[^\u0000-\u001f\u007f-\u009f]{{1,{MAX_METADATA_KEY_LENGTH}}}$"
_DECEIVING = r"\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffd-\uffff"
"""DECEIVING as far as every dialect of patterns can say it."""

_NO_FILENAME = rf"/\\\u0000-\u001f\u007f-\u009f{_DECEIVING}"
FILENAME_PATTERN = rf"^(\.*[^.{_NO_FILENAME}][^{_NO_FILENAME}]*|\.{{3,}})$"
_SPACES = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_NO_TAG = rf"|\u0000-\u001f\u007f-\u009f{_DECEIVING}"
TAG_NAME_PATTERN = rf"^[^{_NO_TAG}]*[^{_NO_TAG}{_SPACES}][^{_NO_TAG}]*$"
LISTED_PATTERN = r"^[^|\u0000-\u001f\u007f-\u009f]*$"
IDEMPOTENCY_KEY_PATTERN = r"^[\x20-\x7e]{1,255}$"
BASE64_PATTERN = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"
LARGEST_NUMBER = 1e308

NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")
"""Of the strings that JSON can write, PostgreSQL keeps those without."""

_known_types = mimetypes.MimeTypes()
_known_types.add_type("application/dicom", ".dcm")
_known_types.add_type("application/dicom", ".dicom")
_known_types.add_type("application/x-nifti", ".nii")


def content_type_of(filename: str) -> str:
    """By the last suffix; the same on every machine, since no table of the system's is read."""
    kind, encoding = _known_types.guess_type(f"file.{filename.rpartition('.')[2]}")
    return "application/gzip" if encoding == "gzip" else kind or "application/octet-stream"


def refused(field: str, message: str) -> PydanticCustomError:
    """For a validator of a whole model to name the field that it refuses."""
    return PydanticCustomError("refused", message, {"fields": [field]})


def pattern(text: str) -> str:
    if not 1 <= len(text) <= MAX_TAG_LENGTH:
        raise ValueError(f"must have 1 to {MAX_TAG_LENGTH} characters")
    return without_controls(text)


def filename(text: str) -> str:
    if CONTROL.search(text) or "/" in text or "\\" in text:
        raise ValueError("must not contain control characters, / or \\")
    if text in {".", ".."}:
        raise ValueError("must not be . or ..")
    return undeceiving(text)


def metadata_value(value: Any) -> Any:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("must not contain the character U+0000")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ValueError("must be a string, a number, a boolean or null")
    elif isinstance(value, int | float) and not (abs(value) <= LARGEST_NUMBER and math.isfinite(value)):
        raise ValueError("must be a number that fits a double")
    return value


def without_controls(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def storable(text: str) -> str:
    if NOT_STORABLE.search(text):
        raise ValueError("must not contain the character U+0000 or half a surrogate pair")
    return text


def metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_METADATA_BYTES:
        raise ValueError(f"must not exceed {MAX_METADATA_BYTES} bytes as JSON")
    return value


def decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("must be a string")  # noqa: TRY004 (pydantic takes only ValueError for a refusal)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 (RFC 4648, section 4), without line breaks") from None
    if not data:
        raise ValueError("must not be empty")
    return data


def whole_number(text: Any) -> Any:
    if isinstance(text, str) and not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise ValueError("must be a whole number")
    return text


def truth(text: Any) -> Any:
    if isinstance(text, str) and text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text


def unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
