"""What the OpenAPI document says of names in a pattern is what the code takes, character for character."""

import re
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.routes.shapes import text
from chalicelib.services import limits

ODD = st.sampled_from(
    list("./\\| a\u00e9\u0301\x00\x1f\x7f\x85\u00a0\u1680\u2003\u2028\u202a\u202e\u202f\u2066\u2069\u206a\u3000")
    + list("\ufdcf\ufdd0\ufdef\ufdf0\ufeff\ufffc\ufffd\ufffe\uffff")
)
NAMES = st.text(ODD | st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=8)


def takes(check: Callable[[str], str], name: str) -> bool:
    try:
        check(name)
    except ValueError:
        return False
    return True


@given(NAMES)
@example(".")
@example("..")
@example("...")
@example("..a")
@example(".\u202e")
def test_the_pattern_of_a_filename_is_true(name: str) -> None:
    assert bool(re.fullmatch(text.FILENAME_PATTERN, name)) == takes(text.filename, name)


@given(NAMES)
@example(" ")
@example(" a ")
@example("\u3000")
def test_the_pattern_of_a_tag_is_true(name: str) -> None:
    assert bool(re.fullmatch(text.TAG_NAME_PATTERN, name)) == takes(limits.tag_name, name)


@given(st.sampled_from([chr(plane + last) for plane in range(0x10000, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)]))
def test_noncharacters_that_no_pattern_can_name_are_refused_as_well(character: str) -> None:
    assert not takes(text.filename, character)
    assert not takes(limits.tag_name, character)
