"""Search by every condition of the contract."""

import re
from typing import Any

import pytest
from httpx import Client

from tests.contract.builders import (
    DATA,
    Record,
    assert_problem,
    claims_of,
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
from tests.contract.conftest import ClientAs


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


@pytest.mark.parametrize("names", ["exact_tags={0}a%7C{0}b", "exact_tags={0}a&exact_tags={0}b"])
def test_names_are_separated_by_an_encoded_pipe_or_given_one_by_one(editor: Client, unique: str, names: str) -> None:
    image_id = an_image(editor, f"{unique}a", f"{unique}b")

    response = editor.get(f"/search/images?{names.format(unique)}")

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


# any_tags


def test_any_one_of_the_names_is_enough_and_the_image_comes_once(editor: Client, unique: str) -> None:
    a, b, c = f"{unique}a", f"{unique}b", f"{unique}c"
    only_a, both, only_c = an_image(editor, a), an_image(editor, a, b), an_image(editor, c)

    assert found(editor, any_tags=f"{a}|{b}") == [both, only_a]
    assert found(editor, any_tags=[b, c]) == [only_c, both]
    assert found(editor, any_tags=f"{a}|{b}|{c}") == [only_c, both, only_a]
    assert found(editor, any_tags=f"{unique}none|{c}") == [only_c]
    assert found(editor, any_tags=f"{unique}none") == []


def test_any_tags_are_names_and_no_patterns(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique} \u00fc%")
    an_image(editor, f"{unique} \u00fcber")

    assert found(editor, any_tags=f" {unique} u\u0308% ") == [image_id]
    assert found(editor, any_tags=f"{unique} \u00fc%".upper()) == []


# exclude_tags


def test_no_excluded_tag_is_on_the_image(editor: Client, unique: str) -> None:
    a, b, c = f"{unique}a", f"{unique}b", f"{unique}c"
    only_a, with_b, with_both = an_image(editor, a), an_image(editor, a, b), an_image(editor, a, b, c)

    assert found(editor, exact_tags=a, exclude_tags=b) == [only_a]
    assert found(editor, exact_tags=a, exclude_tags=c) == [with_b, only_a]
    assert found(editor, match_tags=f"{unique}%", exclude_tags=[b, c]) == [only_a]
    assert found(editor, any_tags=f"{b}|{c}", exclude_tags=f"{c}|{unique}none") == [with_b]
    assert found(editor, exact_tags=a, exclude_tags=f"{unique}none") == [with_both, with_b, only_a]
    assert found(editor, exact_tags=a, exclude_tags=a) == []


def test_excluded_tags_are_names_and_no_patterns(editor: Client, unique: str) -> None:
    image_id = an_image(editor, f"{unique} \u00fc%")

    assert found(editor, match_tags=f"{unique}%", exclude_tags=f"{unique}%|{unique} \u00dc%") == [image_id]
    assert found(editor, match_tags=f"{unique}%", exclude_tags=f" {unique} u\u0308% ") == []


def test_an_exclusion_alone_leaves_the_untagged_and_the_otherwise_tagged(editor: Client, unique: str) -> None:
    excluded, other, untagged = an_image(editor, unique), an_image(editor, f"{unique}b"), an_image(editor)

    newest = found(editor, exclude_tags=unique)

    assert {other, untagged} <= set(newest)
    assert excluded not in newest


# untagged


def test_untagged_is_without_any_tag(editor: Client, unique: str) -> None:
    untagged = registered(editor, metadata={"at": unique})["id"]
    tagged = registered(editor, metadata={"at": unique}, tags=[unique])["id"]
    at = {"metadata.at": unique}

    assert found(editor, **at, untagged="true") == [untagged]
    assert found(editor, **at, untagged="false") == [tagged, untagged]
    assert found(editor, **at, untagged="true", exclude_tags=unique) == [untagged]


def test_untagged_and_tagged_at_once_is_no_image(editor: Client, unique: str) -> None:
    an_image(editor, unique)

    for tags in ({"exact_tags": unique}, {"match_tags": f"{unique}%"}, {"match_tags": "%"}, {"any_tags": unique}):
        answer = got(editor, "/search/images", untagged="true", **tags)
        assert (answer["results"], answer["meta"]["total_results"]) == ([], 0)


def test_an_image_is_untagged_as_soon_as_its_last_tag_is_gone(editor: Client, unique: str) -> None:
    image_id = registered(editor, metadata={"at": unique}, tags=[unique, f"{unique}b"])["id"]
    untagged = {"metadata.at": unique, "untagged": "true"}

    editor.delete(tag_path(image_id, unique))
    assert found(editor, **untagged) == []
    editor.delete(tag_path(image_id, f"{unique}b"))
    assert found(editor, **untagged) == [image_id]
    editor.put(tag_path(image_id, unique))
    assert found(editor, **untagged) == []
    editor.delete(f"/tags/{a_tag_id(editor, unique)}")
    assert found(editor, **untagged) == [image_id]


def a_tag_id(client: Client, name: str) -> int:
    tag_id: int = client.post("/tags", json={"name": name}).json()["id"]
    return tag_id


# created_by


def test_images_are_found_by_who_created_them(client_as: ClientAs, viewer: Client, unique: str) -> None:
    creators = [client_as(name) for name in ("editor", "admin", "machine/write")]

    for creator in creators:
        image_id, claims = an_image(creator, unique), claims_of(creator)
        who = claims["client_id"] if creator is creators[-1] else claims["sub"]
        assert found(viewer, created_by=who, limit=1) == [image_id]
        assert found(viewer, created_by=who, exact_tags=unique) == [image_id]

    assert len(found(viewer, exact_tags=unique)) == 3


@pytest.mark.parametrize("other", ["nobody", "%", "é 🩻", "' OR true --", "x" * 255])
def test_nobody_else_created_it(editor: Client, unique: str, other: str) -> None:
    an_image(editor, unique)

    assert found(editor, exact_tags=unique, created_by=other) == []
    assert found(editor, exact_tags=unique, created_by=claims_of(editor)["sub"].upper()) == []


# metadata and attributes


@pytest.mark.parametrize(
    ("value", "same", "others"),
    [
        ("B2", ["B2"], ["b2", "B", "B22", " B2", None]),
        ("5", ["5", 5, 5.0], ["5.0", 55, -5, "five", True]),
        ("5.0", ["5.0", 5, 5.0], ["5", 50]),
        ("-0.5", ["-0.5", -0.5], [0.5, "-.5"]),
        ("1e2", ["1e2", 100], ["100"]),
        ("05", ["05"], [5, "5"]),
        ("9007199254740993", [2**53 + 1], [2**53]),
        ("true", ["true", True], [1, "True", False]),
        ("True", ["True"], [True, "true"]),
        ("1", [1, "1"], [True]),
        ("false", ["false", False], [0, None, ""]),
        ("null", ["null", None], ["", False, 0]),
        ("", [""], [None, " ", "null", 0, False]),
        ("a|b", ["a|b"], ["a", "b"]),
        ("🩻 Größe", ["🩻 Größe"], ["🩻"]),
        ("%", ["%"], ["x"]),
        ("a+b & c=d; 'e' \"f\" \\ #?/%20", ["a+b & c=d; 'e' \"f\" \\ #?/%20"], []),
        ("two\nlines", ["two\nlines"], ["two", "two lines"]),
        ('"5"', ['"5"'], ["5", 5]),
        ('{"a": 1}', ['{"a": 1}'], []),
        ("[5]", ["[5]"], [5]),
        ("NaN", ["NaN"], []),
        ("1e999", ["1e999"], []),
        ("[" * 1000, ["[" * 1000], []),
        ("9" * 1000, ["9" * 1000], []),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_metadata_is_compared_as_text_and_as_what_the_text_is_in_json(
    editor: Client, unique: str, value: str, same: list[Any], others: list[Any]
) -> None:
    wanted = [registered(editor, metadata={unique: each})["id"] for each in same]
    for each in others:
        registered(editor, metadata={unique: each})

    assert found(editor, **{f"metadata.{unique}": value}) == wanted[::-1]


@pytest.mark.parametrize(
    "key",
    ["a.b", ".", "..a", "a.", " a b ", "a=b&c", "🩻", "[0]", "[key]", "a|b", '"', "\\", "%", "x" * 127],
    ids=ascii,
)
def test_any_key_of_metadata_can_be_searched(editor: Client, unique: str, key: str) -> None:
    image_id = registered(editor, metadata={key: unique})["id"]
    registered(editor, metadata={f"{key}x": unique})

    assert found(editor, **{f"metadata.{key}": unique}) == [image_id]


def test_every_pair_of_metadata_must_be_there(editor: Client, unique: str) -> None:
    ward = registered(editor, metadata={unique: "B2"})["id"]
    both = registered(editor, metadata={unique: "B2", "bed": 5})["id"]

    assert found(editor, **{f"metadata.{unique}": "B2"}) == [both, ward]
    assert found(editor, **{f"metadata.{unique}": "B2", "metadata.bed": "5"}) == [both]
    assert found(editor, **{f"metadata.{unique}": "B2", "metadata.bed": "6"}) == []
    assert found(editor, **{f"metadata.{unique}": "B2", "metadata.B2": unique}) == []


def test_metadata_is_not_taken_for_attributes(editor: Client, unique: str) -> None:
    image_id = registered(editor, metadata={"Modality": unique}, tags=[unique])["id"]

    assert found(editor, **{"metadata.Modality": unique}) == [image_id]
    assert found(editor, **{"attributes.Modality": unique}) == []
    assert found(editor, exact_tags=unique, **{"attributes.Modality": "CT", "attributes.Rows": 512}) == []


@pytest.mark.parametrize(
    "query",
    ["attributes.Rows>=512", "attributes.Rows%3E=512&attributes.Rows%3C=1e3", "attributes.StudyDate<=2020-05"],
)
def test_a_range_of_attributes_is_taken_with_its_sign_encoded_or_not(editor: Client, unique: str, query: str) -> None:
    registered(editor, tags=[unique])

    answer = editor.get(f"/search/images?exact_tags={unique}&{query}")

    assert (answer.status_code, answer.json()["results"]) == (200, [])


def test_twenty_pairs_are_taken(editor: Client, unique: str) -> None:
    metadata = {f"{unique}{number}": number for number in range(20)}
    image_id = registered(editor, metadata=metadata)["id"]
    pairs = {f"metadata.{key}": value for key, value in metadata.items()}

    assert found(editor, **pairs) == [image_id]
    for more in ("metadata.more", "attributes.Modality"):
        assert_problem(editor.get("/search/images", params={**pairs, more: "1"}), 400, field=more)


# Everything together


def test_all_conditions_must_hold_at_once(editor: Client, admin: Client, unique: str) -> None:
    a, b, c, x = (f"{unique}{end}" for end in "abcx")
    fields: Record = {"tags": [a, b, c], "metadata": {"at": unique, "bed": 5}}
    wanted = one_shot(editor, **fields)
    one_shot(admin, **fields)
    registered(editor, **fields)
    for tags in ([b, c], [a, c], [a, b], [a, b, c, x], []):
        one_shot(editor, **fields | {"tags": tags})
    for metadata in ({"at": unique}, {"bed": 5}, {}):
        one_shot(editor, **fields | {"metadata": metadata})
    moment = wanted["created_timestamp"]

    everything = {
        "exact_tags": a,
        "match_tags": f"{b.upper()}%",
        "any_tags": f"{unique}none|{c}",
        "exclude_tags": x,
        "untagged": "false",
        "created_by": claims_of(editor)["sub"],
        "metadata.at": unique,
        "metadata.bed": "5",
        "start_timestamp": moment,
        "end_timestamp": moment + 60,
        "uploaded_only": "true",
    }

    answer = got(editor, "/search/images", **everything)
    assert [image["id"] for image in answer["results"]] == [wanted["id"]]
    assert (answer["meta"]["total_results"], answer["meta"]["total_relation"]) == (1, "eq")
    assert found(editor, **everything | {"attributes.Modality": "CT"}) == []
    assert found(editor, **everything | {"end_timestamp": moment - 1, "start_timestamp": 0}) == []


def test_the_links_carry_every_condition_to_the_end(editor: Client, unique: str) -> None:
    name, value = f"{unique} &+%c/ü🩻", "a|b &c=d+e%20🩻\n"
    wanted = [registered(editor, tags=[name], metadata={f"{unique}.a&b=c": value})["id"] for _ in range(3)][::-1]
    an_image(editor, name)
    registered(editor, metadata={f"{unique}.a&b=c": value})
    asked = {
        "exact_tags": [name, name],
        "match_tags": [f"{unique} &+\\%c/%", "%🩻"],
        "any_tags": f"{unique}|{name}",
        "exclude_tags": [f"{unique}&a", f"{unique}+b"],
        "created_by": claims_of(editor)["sub"],
        f"metadata.{unique}.a&b=c": value,
        "untagged": "false",
        "start_timestamp": 1,
        "total": "false",
        "limit": 1,
    }

    responses = [editor.get("/search/images", params=asked)]
    while "next" in responses[-1].links:
        responses.append(editor.get(responses[-1].links["next"]["url"]))

    assert [image["id"] for response in responses for image in response.json()["results"]] == wanted
    assert {response.json()["meta"]["total_results"] for response in responses} == {None}
    assert all(re.fullmatch(r"<[!-;=?-~]+>; rel=\"next\"", response.headers["Link"]) for response in responses[:-1])


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

    fleeting = ("url", "url_expires_timestamp", "uploaded_timestamp", "attributes")
    assert {k: v for k, v in shown.items() if k not in fleeting} == {
        k: v for k, v in image.items() if k not in fleeting
    }
    assert downloaded(shown) == DATA


def test_twenty_names_in_all_are_taken(editor: Client, unique: str) -> None:
    wanted = [f"{unique}{i:02}" for i in range(20)]
    image_id = an_image(editor, *wanted)

    assert found(editor, exact_tags="|".join(wanted)) == [image_id]
    assert found(editor, exact_tags=wanted[:10], match_tags=wanted[10:]) == [image_id]
    assert found(editor, match_tags=wanted) == [image_id]
    assert found(editor, any_tags=wanted) == [image_id]
    assert found(editor, exact_tags=wanted[:5], match_tags=wanted[5:10], any_tags=wanted[10:]) == [image_id]
    assert found(editor, exact_tags=wanted[:1], exclude_tags=wanted[1:]) == []


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        ((21, 0, 0, 0), "exact_tags"),
        ((0, 21, 0, 0), "match_tags"),
        ((0, 0, 21, 0), "any_tags"),
        ((0, 0, 0, 21), "exclude_tags"),
        ((11, 10, 0, 0), "match_tags"),
        ((1, 20, 0, 0), "match_tags"),
        ((5, 5, 11, 0), "any_tags"),
        ((5, 5, 5, 6), "exclude_tags"),
        ((20, 0, 0, 1), "exclude_tags"),
        ((0, 0, 1, 200), "exclude_tags"),
    ],
)
def test_more_than_twenty_names_in_all_are_refused(editor: Client, counts: tuple[int, ...], field: str) -> None:
    lists = ("exact_tags", "match_tags", "any_tags", "exclude_tags")
    asked = {name: [f"t{i}" for i in range(count)] for name, count in zip(lists, counts, strict=True) if count}

    assert_problem(editor.get("/search/images", params=asked), 400, field=field, saying="20")


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
        ("any_tags", "", "any_tags[0]"),
        ("any_tags", "a|", "any_tags[1]"),
        ("any_tags", "x" * 161, "any_tags[0]"),
        ("exclude_tags", "|a", "exclude_tags[0]"),
        ("exclude_tags", ["a", "b\0"], "exclude_tags[1]"),
        ("untagged", "1", "untagged"),
        ("untagged", "", "untagged"),
        ("untagged", ["true", "true"], "untagged"),
        ("created_by", "", "created_by"),
        ("created_by", "a\0b", "created_by"),
        ("created_by", "x" * 256, "created_by"),
        ("created_by", ["a", "b"], "created_by"),
        ("metadata", "B2", "metadata"),
        ("metadata.", "B2", "metadata."),
        ("metadata.ward", ["B2", "B2"], "metadata.ward"),
        ("metadata.ward", "a\0b", "metadata.ward"),
        ("metadata.ward", "x" * 1025, "metadata.ward"),
        ("metadata.a.b", "\0", "metadata.a.b"),
        ("metadata.[key]", "\0", "metadata.[key]"),
        ("metadata.größe|🩻", "\0", "metadata.größe|🩻"),
        ("metadata.a\nb", "1", "metadata.a\nb"),
        ("metadata." + "x" * 129, "1", "metadata." + "x" * 129),
        ("attributes", "CT", "attributes"),
        ("attributes.", "CT", "attributes."),
        ("attributes.Modality", ["CT", "MR"], "attributes.Modality"),
        ("attributes.Modality", "\0", "attributes.Modality"),
        ("attributes.Modality", "x" * 1025, "attributes.Modality"),
        ("attributes.Modality.x", "CT", "attributes.Modality.x"),
        ("attributes.0010-0020", "1", "attributes.0010-0020"),
        ("attributes.Größe", "1", "attributes.Größe"),
        ("attributes." + "x" * 65, "1", "attributes." + "x" * 65),
        ("attributes.Rows>", "many", "attributes.Rows>"),
        ("attributes.Rows<", "", "attributes.Rows<"),
        ("attributes.Rows>", ["1", "2"], "attributes.Rows>"),
        ("attributes.Rows>>", "1", "attributes.Rows>>"),
        ("attributes.<", "1", "attributes.<"),
        ("attributes.StudyDate>", "2020-13", "attributes.StudyDate>"),
        ("metadata.bed>", "\0", "metadata.bed>"),
        ("Metadata.ward", "B2", "Metadata.ward"),
        ("metadata[ward]", "B2", "metadata[ward]"),
        ("exact_tags.a", "1", "exact_tags.a"),
        ("created_by.a", "1", "created_by.a"),
        ("any_tag", "a", "any_tag"),
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


def test_a_dict_given_both_ways_is_refused(editor: Client) -> None:
    for query in ("metadata=a&metadata.a=1", "metadata.a=1&metadata=a"):
        assert_problem(editor.get(f"/search/images?{query}"), 400, field="metadata")


@pytest.mark.parametrize(
    "name",
    [
        "exact_tags",
        "match_tags",
        "any_tags",
        "exclude_tags",
        "untagged",
        "created_by",
        "metadata",
        "metadata.ward",
        "attributes.Modality",
    ],
)
def test_a_browse_takes_no_condition_of_a_search(editor: Client, unique: str, name: str) -> None:
    for path in ("/images", f"/tags/{a_tag_id(editor, unique)}/images"):
        assert_problem(editor.get(path, params={name: "true"}), 400, field=name)


def test_a_change_of_metadata_is_found_at_once_and_what_is_in_the_bin_never(editor: Client, unique: str) -> None:
    image_id = registered(editor, metadata={unique: "old"})["id"]

    editor.put(f"/images/{image_id}", json={"metadata": {unique: "new"}})
    assert found(editor, **{f"metadata.{unique}": "old"}) == []
    assert found(editor, **{f"metadata.{unique}": "new"}) == [image_id]
    editor.delete(f"/images/{image_id}")
    for tagged in ({}, {"untagged": "true"}, {"exclude_tags": unique}):
        assert found(editor, **{f"metadata.{unique}": "new"}, **tagged) == []
    editor.post(f"/images/{image_id}/restore")
    assert found(editor, untagged="true", **{f"metadata.{unique}": "new"}) == [image_id]


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
