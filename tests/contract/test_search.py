"""Search by tag, pattern and date."""

from typing import Any

import pytest
from httpx import Client

from tests.contract.builders import (
    assert_problem,
    downloaded,
    found,
    got,
    ids,
    names,
    one_shot,
    registered,
    tag_path,
    uploaded,
)


def an_image(client: Client, *tags: str) -> int:
    image_id: int = registered(client, tags=list(tags))["id"]
    return image_id


# exact_tags


def test_every_exact_tag_must_be_on_the_image(editor: Client, unique: str) -> None:
    a, b, c = f"{unique}a", f"{unique}b", f"{unique}c"
    only_a, both, all_three = an_image(editor, a), an_image(editor, b, a), an_image(editor, a, b, c)

    assert found(editor, exact_tags=a) == [all_three, both, only_a]
    assert found(editor, exact_tags=f"{a}|{b}") == [all_three, both]
    assert found(editor, exact_tags=f"{c}|{b}|{a}") == [all_three]
    assert found(editor, exact_tags=f"{a}|{unique}none") == []


def test_lists_are_pipe_delimited_or_repeated(editor: Client, unique: str) -> None:
    a, b, c = f"{unique}a", f"{unique}b", f"{unique}c"
    both, all_three = an_image(editor, a, b), an_image(editor, a, b, c)

    assert found(editor, exact_tags=[a, b]) == [all_three, both]
    assert found(editor, exact_tags=[f"{a}|{b}", c]) == [all_three]
    assert found(editor, match_tags=[a, c]) == [all_three]
    assert found(editor, match_tags=f"{a}|{c}") == [all_three]
    raw = editor.get(f"/search/images?exact_tags={a}%7C{b}&exact_tags={c}")
    assert [image["id"] for image in raw.json()["results"]] == [all_three]


def test_an_unescaped_pipe_delimits_too(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique}a", f"{unique}b")

    response = editor.get(f"/search/images?exact_tags={unique}a|{unique}b")

    assert [image["id"] for image in response.json()["results"]] == [image_id]


def test_exact_tags_know_case(editor: Client, unique: str) -> None:
    lower, upper = an_image(editor, unique), an_image(editor, unique.upper())

    assert found(editor, exact_tags=unique) == [lower]
    assert found(editor, exact_tags=unique.upper()) == [upper]
    assert found(editor, exact_tags=unique.title()) == []


def test_exact_tags_know_no_pattern(editor: Client, unique: str) -> None:
    an_image(editor, f"{unique}abc")
    percent = an_image(editor, f"{unique}%")

    assert found(editor, exact_tags=f"{unique}%") == [percent]
    assert found(editor, exact_tags=f"{unique}_bc") == []
    assert found(editor, exact_tags=f"{unique}\\%") == []


def test_exact_tags_are_trimmed_and_composed_as_names_are(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique} \u00fc")

    assert found(editor, exact_tags=f" {unique} u\u0308 ") == [image_id]


def test_the_same_name_twice_is_one_condition(editor: Client, unique: str) -> None:
    image_id = an_image(editor, unique)

    assert found(editor, exact_tags=f"{unique}|{unique}") == [image_id]


@pytest.mark.parametrize(
    "special", ["a/b", "a+b", "a&b=c", "100%", "#?", '"', "'", "\\", "日本語 🩻", "a,b;c", "'; --"]
)
def test_any_name_can_be_searched(editor: Client, unique: str, special: str) -> None:
    image_id = an_image(editor, unique + special)

    assert found(editor, exact_tags=unique + special) == [image_id]


# match_tags


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("chest", "chest", True),
        ("CHEST", "chest", True),
        ("chest", "Chest", True),
        ("chest", "chest-xray", False),
        ("chest", "che", False),
        ("che%", "chest", True),
        ("che%", "che", True),
        ("%st", "chest", True),
        ("c%t", "chest", True),
        ("c%e%t", "chest", True),
        ("%", "", True),
        ("c%x", "chest", False),
        ("c_est", "chest", False),
        ("c_est", "c_est", True),
        ("c?est", "chest", False),
        ("c*", "chest", False),
        (".*", "chest", False),
        ("50\\%", "50%", True),
        ("50\\%", "500", False),
        ("50\\%", "50\\", False),
        ("50%", "50%", True),
        ("50%", "50 mg", True),
        ("%\\%", "50%", True),
        ("%\\%", "50", False),
        ("\\%%", "% of", True),
        ("a\\b", "a\\b", True),
        ("a\\b", "ab", False),
        ("a\\\\b", "a\\\\b", True),
        ("a\\_b", "a\\_b", True),
        ("a\\_b", "a_b", False),
        ("ÄRZTE", "ärzte", True),
        ("a\u0308rz%", "ÄRZTE", True),
        ("ñandú", "ÑANDÚ", True),
        ("ОБЛАКО", "облако", True),
        ("σίσυφος", "ΣΊΣΥΦΟΣ", True),
        ("STRASSE", "straße", True),
        ("日本%", "日本語", True),
        ("arzte", "ärzte", False),
        ("🩻%", "🩻 x", True),
    ],
    ids=ascii,
)
def test_a_pattern_matches_as_the_contract_says(
    editor: Client, unique: str, pattern: str, name: str, matches: bool
) -> None:
    image_id = an_image(editor, f"{unique}-{name}")

    assert found(editor, match_tags=f"{unique}-{pattern}") == ([image_id] if matches else [])


@pytest.mark.parametrize("pattern", ["trailing\\", "\\", "\\\\%"])
def test_a_lone_backslash_is_itself(editor: Client, unique: str, pattern: str) -> None:
    an_image(editor, f"{unique}other")

    assert editor.get("/search/images", params={"match_tags": unique + pattern}).status_code == 200


def test_a_backslash_at_the_end_matches_a_backslash(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique}\\")

    assert found(editor, match_tags=f"{unique}\\") == [image_id]


def test_every_pattern_must_match_some_tag(editor: Client, unique: str) -> None:
    first = an_image(editor, f"{unique}-chest-xray", f"{unique}-left")
    second = an_image(editor, f"{unique}-chest-ct", f"{unique}-right")

    assert found(editor, match_tags=f"{unique}-chest%") == [second, first]
    assert found(editor, match_tags=f"{unique}-chest%|%{unique}-left") == [first]
    assert found(editor, match_tags=f"{unique}-chest%|{unique}-chest%") == [second, first]
    assert found(editor, match_tags=[f"{unique}%xray", f"{unique}%right"]) == []


def test_one_tag_may_satisfy_several_patterns_and_the_image_comes_once(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique}-chest-xray", f"{unique}-chest-ct")

    assert found(editor, match_tags=[f"{unique}-chest%", f"%{unique}%"]) == [image_id]


def test_a_pattern_finds_every_case_of_a_name(editor: Client, unique: str) -> None:
    lower, upper = an_image(editor, unique), an_image(editor, unique.upper())

    assert found(editor, match_tags=unique.title()) == [upper, lower]


# Everything together


def test_exact_tags_and_patterns_must_both_hold(editor: Client, unique: str) -> None:
    wanted = an_image(editor, unique, f"{unique}-chest")
    an_image(editor, unique)
    an_image(editor, f"{unique}-chest")

    assert found(editor, exact_tags=unique, match_tags=f"{unique}-CH%") == [wanted]


def test_dates_include_both_ends(editor: Client, unique: str) -> None:
    image_id = an_image(editor, unique)
    moment = got(editor, f"/images/{image_id}")["created_timestamp"]

    assert found(editor, exact_tags=unique, start_timestamp=moment, end_timestamp=moment) == [image_id]
    assert found(editor, match_tags=f"{unique}%", start_timestamp=moment, end_timestamp=moment) == [image_id]
    assert found(editor, exact_tags=unique, start_timestamp=moment + 1) == []
    assert found(editor, exact_tags=unique, end_timestamp=moment - 1) == []


def test_what_is_not_uploaded_can_be_left_out(editor: Client, unique: str) -> None:
    there, pending = uploaded(editor, tags=[unique])["id"], an_image(editor, unique)

    assert found(editor, exact_tags=unique) == [pending, there]
    assert found(editor, exact_tags=unique, uploaded_only="false") == [pending, there]
    assert found(editor, exact_tags=unique, uploaded_only="true") == [there]
    assert found(editor, match_tags=f"{unique}%", uploaded_only="true") == [there]


def test_without_a_condition_it_browses(editor: Client) -> None:
    image_id = an_image(editor)

    moment = got(editor, f"/images/{image_id}")["created_timestamp"]

    period = {"start_timestamp": moment, "end_timestamp": moment}
    assert image_id in found(editor)
    assert found(editor, **period) == ids(editor, "/images", **period)


def test_results_are_whole_records(editor: Client, unique: str) -> None:
    image = one_shot(editor, tags=[f"{unique}b", f"{unique}a"], metadata={"ward": "B2"})

    (shown,) = got(editor, "/search/images", exact_tags=f"{unique}a")["results"]

    fleeting = ("url", "url_expires_timestamp", "uploaded_timestamp")
    assert {k: v for k, v in shown.items() if k not in fleeting} == {
        k: v for k, v in image.items() if k not in fleeting
    }
    assert downloaded(shown) == b"data"


def test_twenty_names_in_all_are_taken(editor: Client, unique: str) -> None:
    wanted = [f"{unique}{i:02}" for i in range(20)]
    image_id = an_image(editor, *wanted)

    assert found(editor, exact_tags="|".join(wanted)) == [image_id]
    assert found(editor, exact_tags=wanted[:10], match_tags=wanted[10:]) == [image_id]
    assert found(editor, match_tags=wanted) == [image_id]


@pytest.mark.parametrize(("exact", "match"), [(21, 0), (0, 21), (11, 10), (1, 20)])
def test_more_than_twenty_names_in_all_are_refused(editor: Client, exact: int, match: int) -> None:
    lists = {"exact_tags": [f"e{i}" for i in range(exact)], "match_tags": [f"m{i}" for i in range(match)]}

    assert_problem(editor.get("/search/images", params={k: v for k, v in lists.items() if v}), 400)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("exact_tags", "", "exact_tags[0]"),
        ("exact_tags", "a||b", "exact_tags[1]"),
        ("exact_tags", "a|", "exact_tags[1]"),
        ("exact_tags", ["a", " "], "exact_tags[1]"),
        ("exact_tags", "x" * 161, "exact_tags[0]"),
        ("exact_tags", "a\0b", "exact_tags[0]"),
        ("match_tags", "", "match_tags[0]"),
        ("match_tags", "a|", "match_tags[1]"),
        ("match_tags", "x" * 161, "match_tags[0]"),
        ("match_tags", "a\0b", "match_tags[0]"),
        ("start_timestamp", "now", "start_timestamp"),
        ("end_timestamp", "-1", "end_timestamp"),
        ("uploaded_only", "1", "uploaded_only"),
        ("exact_tag", "a", "exact_tag"),
        ("tags", "a", "tags"),
        ("Exact_tags", "a", "Exact_tags"),
        ("exact_tags[]", "a", "exact_tags[]"),
        ("q", "", "q"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_wrong_parameter_is_named(editor: Client, name: str, value: Any, field: str) -> None:
    assert_problem(editor.get("/search/images", params={name: value}), 400, field=field)


def test_what_a_write_has_answered_the_next_search_finds(editor: Client, viewer: Client, unique: str) -> None:
    image_id = an_image(editor)

    for number in range(10):
        name = f"{unique} {number}"
        editor.put(tag_path(image_id, name))
        assert found(viewer, exact_tags=name) == [image_id]
        editor.put(f"/images/{image_id}", json={"tags": [f"{name} replaced"]})
        assert found(viewer, match_tags=f"{name} R%") == [image_id]
        assert found(viewer, exact_tags=name) == []

    assert names(got(viewer, f"/images/{image_id}")["tags"]) == [f"{unique} 9 replaced"]
