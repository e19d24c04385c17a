"""Pages whose results are more than one answer can carry."""

import secrets
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from httpx import Client

from tests.contract.builders import Record, assert_problem, got, registered
from tests.contract.conftest import ClientAs

IMAGES = 52


@pytest.fixture(scope="module")
def heavy(stack: dict[str, Any], client_as: ClientAs) -> Record:
    """The parameters of a search for images with a hundred long tags each, of four bytes a character. One is tagged by
    the service, the others like it at once: request by request it takes a minute."""
    editor, name = client_as("editor"), secrets.token_hex(6)
    tags = [f"{name} {number:03} " + "🩻" * 140 for number in range(100)]
    first = registered(editor, tags=tags)["id"]
    others = [registered(editor)["id"] for _ in range(IMAGES - 1)]
    with closing(psycopg2.connect(stack["database_url"])) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO image_tags (image_id, tag_id)"
            " SELECT u.id, l.tag_id FROM unnest(%s) AS u (id), image_tags l WHERE l.image_id = %s",
            [others, first],
        )
    return {"exact_tags": tags[0]}


def test_a_walk_by_cursor_finds_what_did_not_fit_into_a_page(editor: Client, heavy: Record) -> None:
    first = got(editor, "/search/images", **heavy)
    pages, cursor = [first], first["meta"]["next_cursor"]
    while cursor is not None:
        pages.append(got(editor, "/search/images", **heavy, cursor=cursor))
        cursor = pages[-1]["meta"]["next_cursor"]

    found = [image["id"] for page in pages for image in page["results"]]
    assert len(first["results"]) < first["meta"]["total_results"] == IMAGES
    assert len(set(found)) == len(found) == IMAGES


@pytest.mark.parametrize("by_number", [{"page": 0}, {"offset": 0}, {"page": 0, "limit": 99}, {"offset": 1}], ids=str)
def test_a_page_by_number_that_does_not_fit_is_refused_instead_of_losing_its_rest(
    editor: Client, heavy: Record, by_number: Record
) -> None:
    response = editor.get("/search/images", params=heavy | by_number)

    problem = assert_problem(response, 400, field="limit", saying="smaller limit")
    assert "next_cursor" in problem["detail"]


def test_smaller_pages_by_number_hold_every_image(editor: Client, heavy: Record) -> None:
    pages = [got(editor, "/search/images", **heavy, limit=20, page=page) for page in range(4)]

    assert [len(page["results"]) for page in pages] == [20, 20, 12, 0]
    assert len({image["id"] for page in pages for image in page["results"]}) == IMAGES


def test_a_page_that_fits_is_answered_whatever_its_characters_are(editor: Client, heavy: Record) -> None:
    """Lambda's runtime writes them as they are, and not as escapes of three times the size."""
    page = got(editor, "/search/images", **heavy, limit=45)

    assert len(page["results"]) == 45
