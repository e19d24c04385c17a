"""The kinds of text and number that the wire shapes are made of."""

import base64
import binascii
import json
import math
import mimetypes
import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

MAX_SIZE = 5 * 1024**4
MAX_METADATA_BYTES = 16 * 1024
MAX_METADATA_KEYS = 50
MAX_METADATA_KEY_LENGTH = 128
MAX_TAG_LENGTH = 160
MAX_SEARCHED_LENGTH = 1024
LAST_TIMESTAMP = 253_402_300_799
"""The end of the year 9999."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's control characters; and lone surrogates, which no encoding can carry."""

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


def tag_name(text: str) -> str:
    """Normalised (NFC) and trimmed. Raises ValueError."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_TAG_LENGTH:
        raise ValueError(f"must have 1 to {MAX_TAG_LENGTH} characters")
    if "|" in name or CONTROL.search(name):
        raise ValueError("must not contain | or control characters")
    return name


def refused(field: str, message: str) -> PydanticCustomError:
    """For a validator of a whole model to name the field that it refuses."""
    return PydanticCustomError("refused", message, {"fields": [field]})


def _pattern(text: str) -> str:
    if not 1 <= len(text) <= MAX_TAG_LENGTH:
        raise ValueError(f"must have 1 to {MAX_TAG_LENGTH} characters")
    return _without_controls(text)


def _filename(text: str) -> str:
    if CONTROL.search(text) or "/" in text or "\\" in text:
        raise ValueError("must not contain control characters, / or \\")
    return text


def _metadata_value(value: Any) -> Any:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("must not contain the character U+0000")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ValueError("must be a string, a number, a boolean or null")
    elif isinstance(value, int | float) and not (abs(value) < 10**308 and math.isfinite(value)):
        raise ValueError("must be a number that fits a double")
    return value


def _without_controls(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _storable(text: str) -> str:
    if NOT_STORABLE.search(text):
        raise ValueError("must not contain the character U+0000 or half a surrogate pair")
    return text


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_METADATA_BYTES:
        raise ValueError(f"must not exceed {MAX_METADATA_BYTES} bytes as JSON")
    return value


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("must be a string")  # noqa: TRY004 (pydantic takes only ValueError for a refusal)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 (RFC 4648, section 4), without line breaks") from None
    if not data:
        raise ValueError("must not be empty")
    return data


def _whole_number(text: Any) -> Any:
    if isinstance(text, str) and not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise ValueError("must be a whole number")
    return text


def _truth(text: Any) -> Any:
    if isinstance(text, str) and text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text


def _unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


TagName = Annotated[str, AfterValidator(tag_name)]
TagNames = Annotated[list[TagName], AfterValidator(_unique)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Filename = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_filename)]
ContentType = Annotated[
    str,
    StringConstraints(
        max_length=255,
        pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*$",
    ),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
Size = Annotated[int, Field(ge=1, le=MAX_SIZE)]
MetadataKey = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_METADATA_KEY_LENGTH), AfterValidator(_without_controls)
]
Metadata = Annotated[
    dict[MetadataKey, Annotated[Any, PlainValidator(_metadata_value)]],
    Field(max_length=MAX_METADATA_KEYS),
    AfterValidator(_metadata),
]
MetadataValue = Annotated[str, StringConstraints(max_length=MAX_SEARCHED_LENGTH), AfterValidator(_storable)]
AttributeKeyword = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9]{1,64}$")]
CallerId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_without_controls)]
Base64Data = Annotated[bytes, PlainValidator(_decoded)]
Number = Annotated[int, BeforeValidator(_whole_number)]
Timestamp = Annotated[Number, Field(ge=0, le=LAST_TIMESTAMP)]
Truth = Annotated[bool, BeforeValidator(_truth)]
