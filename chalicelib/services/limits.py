"""What the shapes of requests and the rules both know."""

import re
import unicodedata

MAX_TAGS = 100

MAX_VERIFIED_BYTES = 50_000_000_000
"""The storage keeps no SHA-256 of what comes in parts; so many bytes a function can read, to make one, before Lambda
ends it after 15 minutes (`verification.BYTES_A_SECOND`)."""

MAX_PARTS = 10_000
"""Of one multipart upload; the storage takes no more."""

MAX_TAG_LENGTH = 160

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's control characters; and lone surrogates, which no encoding can carry."""

DECEIVING = re.compile(
    "[\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffd-\uffff"
    + "".join(f"{chr(plane)}-{chr(plane + 1)}" for plane in range(0x1FFFE, 0x110000, 0x10000))
    + "]"
)
"""In a name: marks that let it be read in another order than it is written; and the replacement character and
noncharacters, which come of a wrong encoding."""


def tag_name(text: str) -> str:
    """Normalised (NFC) and trimmed. Raises ValueError."""
    trimmed = text.strip()
    # No four characters become less than one; and to normalise takes the square of the length.
    name = unicodedata.normalize("NFC", trimmed).strip() if len(trimmed) <= 4 * MAX_TAG_LENGTH else trimmed
    if not 1 <= len(name) <= MAX_TAG_LENGTH:
        raise ValueError(f"must have 1 to {MAX_TAG_LENGTH} characters")
    if "|" in name or CONTROL.search(text):
        raise ValueError("must not contain | or control characters")
    return undeceiving(name)


def undeceiving(name: str) -> str:
    """Raises ValueError."""
    if found := DECEIVING.search(name):
        raise ValueError(
            f"must not contain U+{ord(found[0]):04X}: no marks that change the order of reading, no sign of a wrong"
            " encoding"
        )
    return name
