"""Totals of long lists. The rows come straight into the local database: over HTTP they would take a minute."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from httpx import Client

from tests.contract.builders import got

Rows = tuple[int, str]


@pytest.fixture(params=[9_999, 10_000, 10_001])
def many_tags(request: pytest.FixtureRequest, stack: dict[str, Any], unique: str) -> Iterator[Rows]:
    """How many, and the pattern that they match."""
    connection = psycopg2.connect(stack["database_url"].replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tags (name, folded) SELECT name, name"
            " FROM generate_series(1, %s) number, concat(%s::text, ' ', number) name",
            (request.param, unique),
        )
    yield request.param, f"{unique}%"
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM tags WHERE starts_with(name, %s)", (unique,))
    connection.close()


def test_the_total_is_exact_up_to_ten_thousand(editor: Client, many_tags: Rows) -> None:
    count, pattern = many_tags

    meta = got(editor, "/tags", match=pattern)["meta"]

    assert meta["total_results"] == min(count, 10_000)
    assert meta["total_relation"] == ("eq" if count <= 10_000 else "gte")


def test_the_last_offset_leads_over_to_the_cursor(editor: Client, many_tags: Rows) -> None:
    count, pattern = many_tags

    answer = got(editor, "/tags", match=pattern, offset=9_990, limit=5)
    rest = got(editor, "/tags", match=pattern, cursor=answer["meta"]["next_cursor"])

    assert len(answer["results"]) == 5
    assert len(rest["results"]) == count - 9_995
