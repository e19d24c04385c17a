"""Ranges of attributes, and what their bounds mean: as numbers, and as dates, which may lack the day or the month.

A date that lacks them may be any day of its month or year, and is within a range if one of these is. In text: a date
that is shorter than a bound is as early, or as late, as can be.
"""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
DATE_VALUE = "^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T.*)?)?)?$"
LATEST = "~"
"""Behind every character of a date."""


class AttributeRange(NamedTuple):
    """Some value of the attribute is no less than one bound and no more than the other, as a number or as a date."""

    keyword: str
    least: str | None
    most: str | None


def is_number(bound: str) -> bool:
    return NUMBER.fullmatch(bound) is not None and math.isfinite(float(bound))


def is_date(bound: str) -> bool:
    return DATE.fullmatch(bound) is not None


def parameter(wanted: AttributeRange) -> str:
    """The one that asks for it, or the first of two."""
    return f"attributes.{wanted.keyword}{'<' if wanted.least is None else '>'}"


def of_hidden_tags(wanted: AttributeRange, name: str) -> str:
    """SQL for the hidden tags `h` that are within; the bounds stand for `<name>_least` and `<name>_most`."""
    ways = []
    if _all(wanted, is_number):
        ways.append(_both(wanted, f"h.number >= %({name}_least)s::numeric", f"h.number <= %({name}_most)s::numeric"))
    if _all(wanted, is_date):
        late = f"|| '{LATEST}'"
        ways.append(_both(wanted, f"h.date {late} >= %({name}_least)s", f"h.date <= %({name}_most)s {late}"))
    return f"({' OR '.join(ways) or 'false'})"


def path(wanted: AttributeRange) -> str:
    """The same as an SQL/JSON path into the attributes."""
    ways = []
    if _all(wanted, is_number):
        ways.append(_both(wanted, f"@ >= {wanted.least}", f"@ <= {wanted.most}", " && "))
    if _all(wanted, is_date):
        least = wanted.least or ""
        or_shorter = "".join(f' || @ == "{least[:length]}"' for length in (4, 7) if length < len(least))
        within = _both(wanted, f'(@ >= "{least}"{or_shorter})', f'@ <= "{wanted.most}{LATEST}"', " && ")
        ways.append(f'@ like_regex "{DATE_VALUE}" && {within}')
    return f'$."{wanted.keyword}"[*] ? ({" || ".join(f"({way})" for way in ways) or "1 == 2"})'


def _all(wanted: AttributeRange, kind: Callable[[str], bool]) -> bool:
    return all(kind(bound) for bound in (wanted.least, wanted.most) if bound is not None)


def _both(wanted: AttributeRange, least: str, most: str, joint: str = " AND ") -> str:
    given = ((wanted.least, least), (wanted.most, most))
    return joint.join(condition for bound, condition in given if bound is not None)
