import pytest
from sqlalchemy.orm import Session

from chalicelib.database import tags as table
from chalicelib.database.pages import Window
from chalicelib.errors import InvalidRequest, TagNameTaken, TagNotFound
from chalicelib.services import images, tags
from tests.builders import EDITOR, a_tag, an_image


def found(session: Session, match: str | None = None) -> list[str]:
    return [tag.name for tag in table.find(session, match, Window(100)).rows]


def test_creating_a_tag_twice_gives_the_same_tag(session: Session) -> None:
    first, was_new = tags.create(session, "ct")
    second, is_new = tags.create(session, "ct")

    assert first == second
    assert (was_new, is_new) == (True, False)


def test_names_differ_by_case(session: Session) -> None:
    assert tags.create(session, "CT")[0].id != tags.create(session, "ct")[0].id


def test_tags_are_listed_alphabetically_with_their_images_counted(session: Session) -> None:
    an_image(session, ["b", "a"])
    an_image(session, ["a"])
    images.delete(session, EDITOR, an_image(session, ["a", "c"]).id)

    page = table.find(session, None, Window(100))

    assert [(tag.name, tag.image_count) for tag in page.rows] == [("a", 2), ("b", 1), ("c", 0)]
    assert (page.has_more, page.total) == (False, 3)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("chest%", ["CHEST CT", "chest"]),
        ("chest", ["chest"]),
        ("%ct", ["CHEST CT"]),
        ("50\\%%", ["50% dose"]),
        ("%\\%%", ["50% dose"]),
        ("a_c", ["a_c"]),
        ("gr\u00d6sse", ["Gr\u00f6\u00dfe"]),
        ("%", ["50% dose", "CHEST CT", "Gr\u00f6\u00dfe", "a_c", "abc", "back\\slash", "chest"]),
        ("back\\slash", ["back\\slash"]),
    ],
)
def test_a_pattern_finds_these_names(session: Session, match: str, expected: list[str]) -> None:
    table.create(session, ["chest", "CHEST CT", "50% dose", "a_c", "abc", "Gr\u00f6\u00dfe", "back\\slash"])

    assert found(session, match) == expected


def test_a_rename_keeps_the_id_and_the_links(session: Session) -> None:
    image = an_image(session, ["ct"])

    renamed = tags.rename(session, image.tags[0].id, "computed tomography")

    session.expire_all()
    assert [(tag.id, tag.name) for tag in images.get(session, image.id).tags] == [(renamed.id, "computed tomography")]
    assert found(session, "COMPUTED%") == ["computed tomography"]


def test_a_rename_onto_another_tag_points_to_merge_and_changes_nothing(session: Session) -> None:
    ct, mr = a_tag(session, "ct"), a_tag(session, "mr")

    with pytest.raises(TagNameTaken, match=rf'/tags/{ct}/merge with {{"into": {mr}}}'):
        tags.rename(session, ct, "mr")

    assert found(session) == ["ct", "mr"]


def test_a_rename_to_its_own_name_is_fine(session: Session) -> None:
    ct = a_tag(session, "ct")

    assert tags.rename(session, ct, "ct").name == "ct"


def test_a_merge_gives_every_image_the_other_tag_once_in_the_bin_too(session: Session) -> None:
    both, one = an_image(session, ["ct", "CT"]), an_image(session, ["CT"])
    binned = an_image(session, ["CT"])
    images.delete(session, EDITOR, binned.id)
    ct, upper = a_tag(session, "ct"), a_tag(session, "CT")

    merged = tags.merge(session, upper, ct)

    session.expire_all()
    images.restore(session, EDITOR, binned.id)
    assert merged.image_count == 2
    assert found(session) == ["ct"]
    assert all(table.linked(session, image.id) == {ct} for image in (both, one, binned))


def test_a_merge_says_how_many_images_got_the_other_tag(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    an_image(session, ["ct", "CT"]), an_image(session, ["CT"]), an_image(session, ["CT"])
    ct, upper = a_tag(session, "ct"), a_tag(session, "CT")

    tags.merge(session, upper, ct)

    (line,) = map(vars, caplog.records)
    assert (line["tag_id"], line["into"], line["images"]) == (upper, ct, 2)


def test_a_tag_cannot_be_merged_into_itself_or_into_nothing(session: Session) -> None:
    ct = a_tag(session, "ct")

    with pytest.raises(InvalidRequest):
        tags.merge(session, ct, ct)
    with pytest.raises(TagNotFound):
        tags.merge(session, ct, ct + 1000)
    assert found(session) == ["ct"]


def test_deleting_a_tag_leaves_its_images(session: Session) -> None:
    image, gone = an_image(session, ["ct", "mr"]), a_tag(session, "ct")

    tags.delete(session, gone)

    assert [tag.name for tag in images.get(session, image.id).tags] == ["mr"]
    with pytest.raises(TagNotFound):
        tags.delete(session, gone)
