"""What the guide to operating says of the log and the settings is so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic.fields import FieldInfo

from chalicelib.config import Settings
from local import ROOT
from tests.conftest import aws_client, eventually
from tests.guides.snippets import QUERY, blocks
from tests.local.conftest import fresh_stack

GUIDE = (ROOT / "design-docs" / "guides" / "operating.md").read_text()
QUERIES = [block.text for block in blocks(GUIDE) if block.language == QUERY]

GRAMMAR = {"fields", "filter", "stats", "sort", "limit", "by", "as", "asc", "desc", "and", "in", "like"}


@pytest.fixture(scope="module")
def log() -> Iterator[list[dict[str, Any]]]:
    """Lines of a service that took in a file, and then lost its access log."""
    with fresh_stack() as stack:
        stack.start()
        described = stack.description
        api = stack.client()
        upload = api.post("images", json={"filename": "a.dcm", "size": 4}).json()
        put = httpx.put(upload["upload_url"], content=b"\xff\xd8\xff\xd9", headers=upload["upload_headers"])
        assert put.status_code == 200
        eventually(lambda: api.get(f"images/{upload['id']}").json()["status"] == "present")
        aws_client(described, "dynamodb").delete_table(TableName=described["access_log_table"])
        assert api.get("images/1").status_code == 404
        text = eventually(
            lambda: _containing(Path(described["log"]), "AccessRecordUndelivered", '"storage record"', '"inspection"')
        )
        yield [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _containing(file: Path, *wanted: str) -> str:
    text = file.read_text()
    return text if all(each in text for each in wanted) else ""


def fields_of(query: str) -> set[str]:
    """Without those of CloudWatch's own, which begin with @, and the names that the query itself gives."""
    given = set(re.findall(r" as (\w+)", query))
    plain = re.sub(r'"[^"\n]*"|/.*/|@\w+|\w+\(|\b\d\w*', " ", query)
    inside = set(re.findall(r"\b[a-z]+\((\w+)", query))
    names = set(re.findall(r"[A-Za-z_]+", plain)) | inside
    return {name for name in names - given - GRAMMAR if not name[0].isdigit()}


def test_the_fields_of_a_query_are_seen() -> None:
    query = 'fields @ptr, path | filter kind = "x" and @message like /"n":9/ | stats pct(ms, 9) as slow by bin(1h), to'

    assert fields_of(query) == {"path", "kind", "ms", "to"}


@pytest.mark.parametrize("query", QUERIES)
def test_the_log_has_each_field_of_a_ready_query(log: list[dict[str, Any]], query: str) -> None:
    assert fields_of(query)
    assert fields_of(query) <= {field for line in log for field in line}


@pytest.mark.parametrize("query", QUERIES)
def test_the_log_has_each_value_that_a_ready_query_asks_for(log: list[dict[str, Any]], query: str) -> None:
    asked = [(field, value) for field, value in re.findall(r'(\w+) = "(.*?)"', query) if value != "…"]

    assert all(any(line.get(field) == value for line in log) for field, value in asked)


def test_a_query_for_an_image_finds_the_lines_that_hold_its_id(log: list[dict[str, Any]]) -> None:
    (pattern,) = re.findall(r"like /(.*)/", GUIDE)
    image_id = next(line["image_ids"][0] for line in log if line.get("message") == "storage record")
    wanted = pattern.replace("374760091541505", str(image_id))

    texts = [json.dumps(line, separators=(",", ":")) for line in log]

    found = [re.search(wanted, text) is not None for text in texts]
    assert found == [image_id in line.get("image_ids", ()) for line in log]
    assert re.search(wanted, f'"image_ids":[5,{image_id},6]')
    assert not re.search(wanted, f'"image_ids":[{image_id}0]')


def test_a_request_that_the_access_log_missed_is_marked_and_counted(log: list[dict[str, Any]]) -> None:
    marked = [line["path"] for line in log if line.get("access_record") == "undelivered"]
    counted = sum(line.get("AccessRecordUndelivered", [0])[0] for line in log)

    assert marked == ["/v1/images/1"]
    assert counted == 1


def test_every_setting_is_in_the_table_as_required_or_with_its_default() -> None:
    section = GUIDE.partition("## Settings")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| \S", section, re.MULTILINE))

    assert told == {name.upper(): _default(field) for name, field in Settings.model_fields.items()}


def _default(field: FieldInfo) -> str:
    """As the table has it: what one would write into the environment, in backquotes, or a word."""
    if field.is_required():
        return "required"
    match field.default:
        case None:
            return "none"
        case "" | ():
            return "empty"
        case bool():
            return f"`{str(field.default).lower()}`"
        case tuple():
            return f"`{','.join(field.default)}`"
        case _:
            return f"`{field.default}`"
