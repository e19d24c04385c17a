"""Pairs and ranges of metadata and attributes: what they ask of an image's row, and of the index of attributes."""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from chalicelib.database import ranges
from chalicelib.database.search.criteria import Criteria


class RowCondition(NamedTuple):
    name: str
    """Of what is looked up, without quotes."""
    parameter: str
    """That asks for it."""
    holds: str
    """What must hold in an image's row, with `@.` before its columns."""
    may_be_indexed: bool = False
    is_range: bool = False


def named(criteria: Criteria, kind: str) -> Iterator[tuple[str, Any]]:
    """Pairs or ranges, each with a name for what is looked up of it."""
    return ((f"{kind}{number}", each) for number, each in enumerate(getattr(criteria, kind)))


def row_conditions(criteria: Criteria) -> Iterator[RowCondition]:
    for column in ("metadata", "attributes"):
        for name, (key, value) in named(criteria, column):
            meant = range(len(_documents(column, key, value)))
            holds = "(" + " OR ".join(f"@.{column} @> %({name}_{each})s::jsonb" for each in meant) + ")"
            yield RowCondition(name, f"{column}.{key}", holds, may_be_indexed=column == "attributes")
    for name, wanted in named(criteria, "attribute_ranges"):
        holds = f"@.attributes @? %({name}_path)s::jsonpath"
        yield RowCondition(name, ranges.parameter(wanted), holds, may_be_indexed=True, is_range=True)


def _documents(column: str, key: str, value: str) -> list[str]:
    """JSON, one of which is in the column if the value is there; attributes may have several values."""
    meant = meanings(value)
    several = [[one] for one in meant] if column == "attributes" else []
    return [json.dumps({key: each}) for each in [*meant, *several]]


def of_the_index(criteria: Criteria) -> dict[str, Any]:
    """For the placeholders of what the index of attributes is asked."""
    found: dict[str, Any] = {}
    for name, (keyword, value) in named(criteria, "attributes"):
        found |= {f"{name}_keyword": keyword, f"{name}_values": [json.dumps(each) for each in meanings(value)]}
    for name, wanted in named(criteria, "attribute_ranges"):
        found |= {f"{name}_{part}": getattr(wanted, part) for part in wanted._fields}
    return found


def of_rows(criteria: Criteria) -> dict[str, str]:
    """For the placeholders of row conditions."""
    found: dict[str, str] = {}
    for column in ("metadata", "attributes"):
        for name, pair in named(criteria, column):
            found |= {f"{name}_{number}": document for number, document in enumerate(_documents(column, *pair))}
    for name, wanted in named(criteria, "attribute_ranges"):
        found[f"{name}_path"] = ranges.path(wanted)
    return found


def meanings(value: str) -> list[Any]:
    """The JSON scalars that a value in a query stands for."""
    try:
        scalar = json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return [value]
    if isinstance(scalar, str | list | dict) or (isinstance(scalar, float) and not math.isfinite(scalar)):
        return [value]
    return [value, scalar]
