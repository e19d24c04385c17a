"""None of what PS3.15's basic confidentiality profile names gets out of a file, under the default settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from chalicelib.imaging import sandbox
from chalicelib.imaging.allowed import ALLOWED, DATE, IDENTIFIERS, NESTED
from chalicelib.imaging.identifying import IDENTIFYING
from chalicelib.imaging.policy import Policy
from chalicelib.services.inspections import automatic_tags
from tests.imaging.files import KEY, dataset, read, subject, written

TABLE = [line.split() for line in (Path(__file__).parent / "basic_profile.txt").read_text().splitlines()]
PROFILE = {int(row[0], 16): row[1] for row in TABLE if row[0] != "#"}

SECRET = "7391"
"""In every value, in whatever form its kind wants it."""

_VALUES: dict[str, Any] = {
    "DA": "17391130",
    "TM": "073917.7391",
    "DT": "17391130073917",
    "AS": "091Y",
    "DS": "7391",
    "IS": "7391",
    "PN": f"Doe^{SECRET}",
    "UI": f"1.2.{SECRET}",
    "FD": 7391.0,
    "FL": 7391.0,
    "US": 7391,
    "UL": 7391,
    "SL": 7391,
    "SS": 7391,
    "AT": 0x73917391,
    "OB": f"{SECRET}x7391".encode() + b"\0",
    "OW": f"{SECRET}7391".encode(),
    "UN": f"{SECRET}7391".encode(),
}


def value_of(kind: str) -> Any:
    if kind == "SQ":
        item = Dataset()
        item.PatientName, item.TextValue, item.Manufacturer = f"Doe^{SECRET}", SECRET, SECRET
        return Sequence([item])
    return _VALUES.get(kind, f"DOE {SECRET}")


def carrying(tag: int) -> bytes:
    made = dataset()
    kind = dictionary_VR(tag).split(" or ", maxsplit=1)[0]
    made.add_new(tag, kind, value_of(kind))
    return written(made)


WITH_KEYWORD = [tag for tag, keyword in PROFILE.items() if keyword != "-" and 8 <= tag >> 16 < 0xFFFA]


def carrying_the_whole_table() -> bytes:
    made = dataset()
    for tag in WITH_KEYWORD:
        kind = dictionary_VR(tag).split(" or ", maxsplit=1)[0]
        made.add_new(tag, kind, value_of(kind))
    return written(made)


def test_the_whole_table_is_walked() -> None:
    assert len(PROFILE) == 652
    assert len(WITH_KEYWORD) > 620


def test_what_settings_call_identifying_is_the_whole_table() -> None:
    assert set(PROFILE.values()) - {"-"} == IDENTIFYING


def test_no_keyword_of_the_allow_list_is_in_the_table() -> None:
    named = set(PROFILE.values())

    assert not named & set(ALLOWED)
    assert not named & set(NESTED)
    assert set(IDENTIFIERS) | {DATE} <= named


@pytest.mark.parametrize("part", range(8))
def test_an_element_of_the_table_leaves_nothing_among_the_attributes(part: int) -> None:
    plain = read(written(dataset()), Policy(identifier_key=KEY))
    for tag in WITH_KEYWORD[part::8]:
        found = read(carrying(tag), Policy(identifier_key=KEY))
        assert SECRET not in json.dumps({name: one for name, one in found.items() if name not in IDENTIFIERS}), tag
        added = {name for name in found if found[name] != plain.get(name)}
        assert added <= {*IDENTIFIERS, DATE}, PROFILE[tag]
        if DATE in added:
            assert found[DATE] == "1739"


def test_a_file_that_carries_the_whole_table_leaves_nothing_anywhere(capfd: pytest.CaptureFixture[str]) -> None:
    found = sandbox.inspect(subject(carrying_the_whole_table(), Policy(identifier_key=KEY)))

    kept = {name: one for name, one in found.attributes.items() if name not in IDENTIFIERS}
    tags = list(automatic_tags("{Modality}|{PatientName}|{StudyDate}|{AccessionNumber}", found.attributes))
    logged = "".join(capfd.readouterr())
    assert found.preview is not None
    assert SECRET not in json.dumps(kept) + str(tags) + logged
    assert (kept[DATE], tags) == ("1739", ["CT", "1739"])
    assert b"7391" not in found.preview
    assert b"EXIF" not in found.preview
    assert b"XMP " not in found.preview
