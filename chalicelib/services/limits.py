"""What the shapes of requests and the rules both know."""

import re
import unicodedata

MAX_TAGS = 100
MAX_TAG_LENGTH = 160

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's control characters; and lone surrogates, which no encoding can carry."""


def tag_name(text: str) -> str:
    """Normalised (NFC) and trimmed. Raises ValueError."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_TAG_LENGTH:
        raise ValueError(f"must have 1 to {MAX_TAG_LENGTH} characters")
    if "|" in name or CONTROL.search(text):
        raise ValueError("must not contain | or control characters")
    return name
