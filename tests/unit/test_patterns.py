"""Tag patterns, against a matcher that shares nothing with LIKE."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.database.tags import fold, like

SHORT = st.text(alphabet="aAbÄäßẞ%_\\.é ", max_size=8)


def matches(pattern: str, name: str) -> bool:
    """The contract's rules, character by character."""
    parts, rest = [], unicodedata.normalize("NFC", pattern)
    while rest:
        if rest.startswith("\\%"):
            parts.append(re.escape("%"))
            rest = rest[2:]
        else:
            parts.append(".*" if rest[0] == "%" else re.escape(fold(rest[0])))
            rest = rest[1:]
    return re.fullmatch("".join(parts), fold(name), re.DOTALL) is not None


def like_matches(pattern: str, text: str) -> bool:
    """PostgreSQL's LIKE, by its documentation."""
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters)))
        else:
            parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


@given(pattern=SHORT, name=SHORT)
def test_a_pattern_means_what_the_contract_says(pattern: str, name: str) -> None:
    assert like_matches(like(pattern), fold(name)) == matches(pattern, name)


@given(name=SHORT)
def test_a_name_with_its_percent_signs_escaped_matches_itself_in_any_case(name: str) -> None:
    pattern = re.sub(r"\\*$", "", name).replace("%", "\\%")

    assert like_matches(like(pattern.upper()), fold(pattern.replace("\\%", "%")))


def test_case_is_folded_beyond_ascii() -> None:
    assert fold("STRASSE") == fold("Straße")
    assert fold("E\u0301COLE") == fold("\u00e9cole")
