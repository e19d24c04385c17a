"""The body of a request, before anyone reads it as a shape: its size, its type, its encoding."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from chalice.app import Request

from chalicelib.errors import InvalidRequest, MalformedRequest, PayloadTooLarge, UnsupportedMediaType

REPLACEMENT = "\ufffd".encode()
"""What the gateway makes of bytes that are not UTF-8."""

MAX_FIELD_LENGTH = 200


def media_type(request: Request) -> str:
    given: str = request.headers.get("content-type", "")
    return given.split(";", maxsplit=1)[0].strip().lower()


def check_size(request: Request, most: int) -> None:
    if len(request.raw_body) > most:
        raise PayloadTooLarge(
            f"This takes at most {most} bytes; for a larger file register the image with POST /v1/images and PUT the"
            " file to the URL that this gives."
        )


def check_encoding(request: Request) -> None:
    """Nothing is ever inflated: a small body may become more than there is room for."""
    given = request.headers.get("content-encoding", "")
    if request.raw_body and given.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(
            "The body has a Content-Encoding; send it as it is, without compression, and without this header."
        )


def check_media_type(request: Request, known: Sequence[str]) -> None:
    """Chalice's own check lets lists and wildcards pass."""
    if request.raw_body and media_type(request) not in ("", *known):
        raise UnsupportedMediaType(f"The body is of type {media_type(request)}; this takes {', '.join(known)}.")


def check_json(raw: bytes) -> None:
    """Of JSON that has been read once: what reading it hides. Raises MalformedRequest, InvalidRequest."""
    if REPLACEMENT in raw:
        raise MalformedRequest(
            "The body is not UTF-8, or has the character U+FFFD, which stands for what is not; written as \\ufffd it is"
            " taken."
        )
    json.loads(raw, object_pairs_hook=_once_each, parse_int=str, parse_float=str)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two values they take; nobody shall be shown one and have the other stored."""
    read = dict(pairs)
    if len(read) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InvalidRequest.of(twice[:MAX_FIELD_LENGTH], "is given more than once")
    return read
