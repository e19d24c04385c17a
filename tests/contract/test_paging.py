"""Paging, on every list."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Client

from tests.contract.builders import Record, a_tag, assert_problem, claims_of, got, registered, tag_path

META = {"limit", "current_page", "has_more_pages", "next_cursor", "total_results", "total_relation"}


class List(NamedTuple):
    """A list that shows exactly the rows that the test made."""

    path: str
    filters: dict[str, Any]
    add: Callable[[], int]
    remove: Callable[[int], None]
    rows: list[int]
    """Ids, in the list's order."""


def images_with_tag(editor: Client, unique: str, count: int) -> tuple[list[int], Callable[[], int]]:
    def add() -> int:
        image_id: int = registered(editor, tags=[unique])["id"]
        return image_id

    return [add() for _ in range(count)][::-1], add


def search(editor: Client, unique: str) -> List:
    rows, add = images_with_tag(editor, unique, 7)
    return List("/search/images", {"exact_tags": unique}, add, lambda image: binned(editor, image), rows)


def search_by_pattern(editor: Client, unique: str) -> List:
    rows, add = images_with_tag(editor, unique, 7)

    def remove(image_id: int) -> None:
        editor.delete(tag_path(image_id, unique)).raise_for_status()

    return List("/search/images", {"match_tags": f"{unique[:-1]}%", "uploaded_only": "false"}, add, remove, rows)


def search_by_everything(editor: Client, unique: str) -> List:
    fields: Record = {"tags": [unique], "metadata": {"the.ward|": "B 2&🩻", "at": unique}}
    filters = {
        "exact_tags": unique,
        "match_tags": f"{unique[:-1]}%",
        "any_tags": f"{unique}|{unique}none",
        "exclude_tags": f"{unique}other",
        "created_by": claims_of(editor)["sub"],
        "metadata.the.ward|": "B 2&🩻",
        "start_timestamp": 1,
    }

    def add() -> int:
        image_id: int = registered(editor, **fields)["id"]
        return image_id

    return List("/search/images", filters, add, lambda image: binned(editor, image), [add() for _ in range(7)][::-1])


def search_of_the_untagged(editor: Client, unique: str) -> List:
    def add() -> int:
        image_id: int = registered(editor, metadata={"at": unique})["id"]
        return image_id

    def remove(image_id: int) -> None:
        editor.put(tag_path(image_id, unique)).raise_for_status()

    filters = {"untagged": "true", "metadata.at": unique}
    return List("/search/images", filters, add, remove, [add() for _ in range(7)][::-1])


def images_of_a_tag(editor: Client, unique: str) -> List:
    rows, add = images_with_tag(editor, unique, 7)
    tag_id = editor.post("/tags", json={"name": unique}).json()["id"]
    return List(f"/tags/{tag_id}/images", {"start_timestamp": 1}, add, lambda image: binned(editor, image), rows)


def tags(editor: Client, unique: str) -> List:
    made = iter("bdfhjlnacegikmoqrst")

    def add() -> int:
        return a_tag(editor, f"{unique} {next(made)}")

    def remove(tag_id: int) -> None:
        editor.delete(f"/tags/{tag_id}").raise_for_status()

    return List("/tags", {"match": f"{unique}%"}, add, remove, [add() for _ in range(7)])


def binned(editor: Client, image_id: int) -> None:
    editor.delete(f"/images/{image_id}").raise_for_status()


LISTS = [search, search_by_pattern, search_by_everything, search_of_the_untagged, images_of_a_tag, tags]


@pytest.fixture(params=LISTS, ids=lambda make: make.__name__)
def seven(request: pytest.FixtureRequest, editor: Client, unique: str) -> List:
    made: List = request.param(editor, unique)
    return made


@pytest.fixture(params=["/images", "/search/images", "/tags", "/tags/{tag}/images"])
def path(request: pytest.FixtureRequest, editor: Client, unique: str) -> str:
    """Of every list that is paged in all three ways."""
    return str(request.param).format(tag=a_tag(editor, unique) if "{" in request.param else "")


def shown(client: Client, rows: List, **paging: Any) -> tuple[list[int], Record]:
    answer = got(client, rows.path, **rows.filters, **paging)
    assert set(answer) == {"results", "meta"}
    assert set(answer["meta"]) == META
    return [row["id"] for row in answer["results"]], answer["meta"]


def sealed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# Limit


def test_the_limit_is_100_unless_said(editor: Client, path: str) -> None:
    assert got(editor, path)["meta"]["limit"] == 100
    assert got(editor, path, limit=1)["meta"]["limit"] == 1
    assert got(editor, path, limit=100)["meta"]["limit"] == 100


@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "ten", "", "1.0", "1e1", "9" * 30, " 5", "٣", ["1", "2"]], ids=ascii
)
def test_another_limit_is_refused(editor: Client, admin: Client, path: str, limit: Any) -> None:
    assert_problem(editor.get(path, params={"limit": limit}), 400, field="limit")
    assert_problem(admin.get("/access-log", params={"limit": limit}), 400, field="limit")


# Page and offset


def test_pages_follow_each_other(editor: Client, seven: List) -> None:
    pages = [shown(editor, seven, limit=3, page=page) for page in range(4)]

    assert [ids for ids, _ in pages] == [seven.rows[:3], seven.rows[3:6], seven.rows[6:], []]
    assert [meta["current_page"] for _, meta in pages] == [0, 1, 2, 3]
    assert [meta["has_more_pages"] for _, meta in pages] == [True, True, False, False]
    assert {(meta["total_results"], meta["total_relation"]) for _, meta in pages} == {(7, "eq")}


def test_without_a_page_it_is_the_first(editor: Client, seven: List) -> None:
    ids, meta = shown(editor, seven, limit=3)

    assert (ids, meta["current_page"]) == (seven.rows[:3], 0)


def test_a_page_that_the_last_row_fills_has_no_more(editor: Client, seven: List) -> None:
    ids, meta = shown(editor, seven, limit=7)

    assert (ids, meta["has_more_pages"], meta["next_cursor"]) == (seven.rows, False, None)


def test_an_offset_skips_rows(editor: Client, seven: List) -> None:
    ids, meta = shown(editor, seven, limit=3, offset=2)

    assert (ids, meta["has_more_pages"]) == (seven.rows[2:5], True)


@pytest.mark.parametrize(
    "two", [{"page": 0, "offset": 0}, {"page": 0, "cursor": ""}, {"offset": 0, "cursor": "x"}], ids=str
)
def test_two_ways_to_page_at_once_are_refused(editor: Client, path: str, two: Record) -> None:
    assert_problem(editor.get(path, params=two), 400)


@pytest.mark.parametrize("good", [{"offset": 10_000}, {"page": 100}, {"page": 1000, "limit": 10}], ids=str)
def test_up_to_ten_thousand_rows_may_be_skipped(editor: Client, path: str, good: Record) -> None:
    assert editor.get(path, params=good).status_code == 200


@pytest.mark.parametrize(
    "bad", [{"page": 101}, {"page": 1001, "limit": 10}, {"page": "9" * 18}, {"offset": 10_001}, {"offset": "9" * 18}]
)
def test_a_page_past_the_bound_is_told_to_use_the_cursor(editor: Client, path: str, bad: Record) -> None:
    (name, *_) = bad
    assert_problem(editor.get(path, params=bad), 400, field=name, saying="cursor of meta.next_cursor")


@pytest.mark.parametrize(
    ("name", "value"),
    [("offset", "10001"), ("offset", "-1"), ("offset", "x"), ("page", "-1"), ("page", ""), ("page", "0x1")],
)
def test_a_page_or_offset_that_is_none_is_refused(editor: Client, path: str, name: str, value: str) -> None:
    assert_problem(editor.get(path, params={name: value}), 400, field=name)


# Cursor


def walked(client: Client, rows: List, limit: int, between: Callable[[int], None] = lambda _: None) -> list[int]:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for step in range(20):
        ids, meta = shown(client, rows, limit=limit, **cursor)
        seen += ids
        assert meta["has_more_pages"] == (meta["next_cursor"] is not None)
        if meta["next_cursor"] is None:
            return seen
        cursor = {"cursor": meta["next_cursor"]}
        between(step)
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_the_cursor_walks_over_every_row_once(editor: Client, seven: List, limit: int) -> None:
    assert walked(editor, seven, limit) == seven.rows


def test_the_cursor_neither_skips_nor_repeats_while_rows_come_and_go(editor: Client, seven: List) -> None:
    added, removed = [], [seven.rows[1], seven.rows[4]]

    def between(step: int) -> None:
        added.append(seven.add())
        if step < len(removed):
            seven.remove(removed[step])

    seen = walked(editor, seven, 2, between)

    throughout = [row for row in seven.rows if row not in removed]
    assert [row for row in seen if row in throughout] == throughout
    assert len(seen) == len(set(seen))
    assert set(seen) <= {*seven.rows, *added}


def test_the_cursor_survives_the_row_that_it_came_from(editor: Client, seven: List) -> None:
    ids, meta = shown(editor, seven, limit=3)
    seven.remove(ids[-1])

    rest, _ = shown(editor, seven, limit=10, cursor=meta["next_cursor"])

    assert rest == seven.rows[3:]


def test_by_cursor_there_is_no_current_page_and_the_total_is_of_the_whole(editor: Client, seven: List) -> None:
    _, first = shown(editor, seven, limit=3, page=0)

    _, second = shown(editor, seven, limit=3, cursor=first["next_cursor"])

    assert second["current_page"] is None
    assert (second["total_results"], second["total_relation"]) == (7, "eq")


def test_a_page_and_an_offset_lead_over_to_the_cursor(editor: Client, seven: List) -> None:
    for way in ({"page": 1}, {"offset": 3}):
        _, meta = shown(editor, seven, limit=3, **way)
        assert shown(editor, seven, limit=3, cursor=meta["next_cursor"])[0] == seven.rows[6:]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "garbage",
        "....",
        "ü",
        "a b",
        "e30",
        "=",
        "A",
        sealed(None),
        sealed(True),
        sealed(1.5),
        sealed([1]),
        sealed({"id": 1}),
        sealed(2**63),
        sealed(-(2**70)),
        sealed("a\0b"),
        sealed([[[]]]) + "x",
        "W" * 5000,
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_forged_cursor_is_refused(editor: Client, admin: Client, path: str, cursor: str) -> None:
    assert_problem(editor.get(path, params={"cursor": cursor}), 400, field="cursor")
    assert_problem(admin.get("/access-log", params={"cursor": cursor}), 400, field="cursor")


def test_the_cursor_of_another_list_is_refused(editor: Client, admin: Client, unique: str) -> None:
    of_images = shown(editor, search(editor, unique), limit=1)[1]["next_cursor"]
    of_tags = shown(editor, tags(editor, unique), limit=1)[1]["next_cursor"]
    of_log = got(admin, "/access-log", limit=1)["meta"]["next_cursor"]

    for client, path, cursors in (
        (editor, "/images", (of_tags, of_log)),
        (editor, "/search/images", (of_tags, of_log)),
        (editor, "/tags", (of_images, of_log)),
        (admin, "/access-log", (of_images, of_tags)),
    ):
        for cursor in cursors:
            assert_problem(client.get(path, params={"cursor": cursor}), 400, field="cursor")


# Link and total


def test_the_link_says_the_same_as_the_cursor(editor: Client, seven: List) -> None:
    response = editor.get(seven.path, params={**seven.filters, "limit": 3, "page": 1})

    link = response.headers["Link"]
    assert link.startswith("<")
    assert link.endswith('>; rel="next"')
    url = link[1:].partition(">")[0]
    query = parse_qs(urlsplit(url).query)
    assert query["cursor"] == [response.json()["meta"]["next_cursor"]]
    assert {name: query[name] for name in seven.filters} == {k: [str(v)] for k, v in seven.filters.items()}
    followed = editor.get(url).json()
    assert [row["id"] for row in followed["results"]] == seven.rows[6:]
    assert followed["meta"]["limit"] == 3


def test_a_walk_by_links_ends(editor: Client, seven: List) -> None:
    response = editor.get(seven.path, params={**seven.filters, "limit": 3})
    seen = [row["id"] for row in response.json()["results"]]

    while "next" in response.links:
        response = editor.get(response.links["next"]["url"])
        seen += [row["id"] for row in response.json()["results"]]

    assert seen == seven.rows
    assert "Link" not in response.headers


def test_a_link_keeps_every_name_of_a_list(editor: Client, unique: str) -> None:
    for _ in range(2):
        registered(editor, tags=[f"{unique}&a", f"{unique} b", f"{unique}%c"])
    asked: Record = {"exact_tags": [f"{unique}&a", f"{unique} b"], "match_tags": f"{unique}\\%c", "limit": 1}

    response = editor.get("/search/images", params=asked)

    followed = editor.get(response.links["next"]["url"])
    assert followed.status_code == 200
    assert [row["id"] for row in followed.json()["results"]] != [row["id"] for row in response.json()["results"]]
    assert followed.json()["meta"]["total_results"] == 2


def test_the_total_can_be_left_out(editor: Client, seven: List) -> None:
    ids, meta = shown(editor, seven, limit=3, total="false")

    assert (meta["total_results"], meta["total_relation"]) == (None, None)
    assert (ids, meta["has_more_pages"], meta["current_page"]) == (seven.rows[:3], True, 0)


@pytest.mark.parametrize("total", ["no", "0", "", "False"])
def test_the_total_is_true_or_false(editor: Client, path: str, total: str) -> None:
    assert_problem(editor.get(path, params={"total": total}), 400, field="total")


# The access log, which is paged by cursor


@pytest.mark.parametrize("name", ["page", "offset", "total"])
def test_the_access_log_is_paged_by_cursor_only(admin: Client, name: str) -> None:
    assert_problem(admin.get("/access-log", params={name: 1}), 400, field=name)


@pytest.mark.parametrize("key", ["user_id", "image_id", "tag_id", "day", None])
def test_the_access_log_is_walked_once(editor: Client, admin: Client, unique: str, key: str | None) -> None:
    image_id, tag_id = registered(editor)["id"], a_tag(editor, unique)
    wanted = [editor.put(tag_path(image_id, unique)).headers["X-Request-Id"] for _ in range(7)][::-1]
    (last,) = [r for r in got(admin, "/access-log", image_id=image_id)["results"] if r["request_id"] == wanted[0]]
    by = {"user_id": claims_of(editor)["sub"], "image_id": image_id, "tag_id": tag_id, "day": day_of(last["timestamp"])}
    asked = {key: by[key]} if key else {}

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while not set(wanted) <= set(seen):
        answer = got(admin, "/access-log", limit=3, **asked, **cursor)
        seen += [record["request_id"] for record in answer["results"]]
        assert answer["meta"]["current_page"] is None
        cursor = {"cursor": answer["meta"]["next_cursor"] or ""}
        assert len(seen) < 100

    assert [request for request in seen if request in wanted] == wanted
    assert len(seen) == len(set(seen))


def day_of(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
