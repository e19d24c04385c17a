import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from chalicelib.config import settings
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.images import FoundImage
from chalicelib.database.tables import Image, first_id_at
from chalicelib.errors import Forbidden, ImageNotFound, PreconditionFailed, TooManyTags, Unavailable
from chalicelib.services import images
from chalicelib.services.images import Change
from tests.builders import ADMIN, EDITOR, OTHER_EDITOR, an_image


def names(image: Image | FoundImage) -> list[str]:
    return [tag.name for tag in image.tags]


def test_ids_grow_with_time_and_say_when_the_image_was_created(session: Session) -> None:
    before = time.time()
    first, second = an_image(session), an_image(session)

    assert first.id < second.id < 2**53
    assert int(before) <= first.created_timestamp <= time.time()
    assert int(first.created_at.timestamp()) == first.created_timestamp
    assert first_id_at(first.created_timestamp) <= first.id < first_id_at(first.created_timestamp + 1)


def test_an_id_that_is_taken_since_the_clock_was_set_back_is_a_reason_to_try_again(session: Session) -> None:
    taken = an_image(session).id
    session.execute(text(f"ALTER TABLE images ALTER id SET DEFAULT {taken}"))

    with pytest.raises(Unavailable):
        an_image(session)


def test_tags_come_in_alphabetical_order(session: Session) -> None:
    image = an_image(session, ["mr", "brain", "ct"])

    assert names(images.get(session, image.id)) == ["brain", "ct", "mr"]


def test_a_change_replaces_only_what_it_names(session: Session) -> None:
    image = an_image(session, ["ct", "old"], metadata_={"ward": "B2"})

    images.replace(session, image.id, Change(tags=["ct", "new"]), if_match=None)
    session.expire_all()

    changed = images.get(session, image.id)
    assert (names(changed), changed.metadata_, changed.filename) == (["ct", "new"], {"ward": "B2"}, "chest.dcm")


def test_a_stale_etag_changes_nothing(session: Session) -> None:
    image = an_image(session, ["ct"])
    seen = images.etag(image)
    images.replace(session, image.id, Change(tags=["mr"]), if_match=seen)

    with pytest.raises(PreconditionFailed):
        images.replace(session, image.id, Change(tags=["us"]), if_match=seen)

    assert names(images.get(session, image.id)) == ["mr"]


def test_the_etag_follows_every_part_of_the_record_even_a_tags_new_name(session: Session) -> None:
    image = an_image(session, ["ct"])
    etags = {images.etag(image)}

    images.add_tag(session, image.id, "mr")
    etags.add(images.etag(images.replace(session, image.id, Change(metadata={"a": 1}), None)))
    etags.add(images.etag(images.replace(session, image.id, Change(filename="b.dcm"), None)))
    tags.rename(session, image.tags[0].id, "renamed")
    session.expire_all()
    etags.add(images.etag(images.get(session, image.id)))

    assert len(etags) == 4


def test_adding_and_taking_off_a_tag_twice_is_fine(session: Session) -> None:
    image = an_image(session)

    for _ in range(2):
        images.add_tag(session, image.id, "ct")
    assert tags.linked(session, image.id) == {tags.id_of(session, "ct")}

    for _ in range(2):
        images.take_off_tag(session, image.id, "ct")
    assert tags.linked(session, image.id) == set()


def test_an_image_in_the_bin_is_gone_and_comes_back_with_its_tags(session: Session) -> None:
    image = an_image(session, ["ct", "mr"])

    images.delete(session, EDITOR, image.id)
    with pytest.raises(ImageNotFound):
        images.get(session, image.id)
    with pytest.raises(ImageNotFound):
        images.delete(session, EDITOR, image.id)

    for _ in range(2):
        assert names(images.restore(session, EDITOR, image.id)) == ["ct", "mr"]


def test_what_has_been_in_the_bin_for_more_than_its_days_cannot_be_restored(session: Session) -> None:
    image = an_image(session)
    images.delete(session, EDITOR, image.id)
    assert image.deleted_at is not None
    image.deleted_at -= timedelta(days=settings().bin_days, seconds=1)

    with pytest.raises(ImageNotFound):
        images.restore(session, EDITOR, image.id)


def test_an_image_takes_a_hundred_tags_and_no_more(session: Session) -> None:
    image = an_image(session, [f"tag {number}" for number in range(100)])
    images.add_tag(session, image.id, "tag 7")

    with pytest.raises(TooManyTags):
        images.add_tag(session, image.id, "one more")
    assert len(tags.linked(session, image.id)) == 100


@pytest.mark.parametrize("value", [1e16, -0.0, 1e-7, 123456789012345678901234567890, 0.1])
def test_the_etag_of_a_change_is_still_the_images_when_it_is_read_back(session: Session, value: float) -> None:
    changed = images.etag(images.replace(session, an_image(session).id, Change(metadata={"a": value}), None))
    session.expire_all()

    (image,) = session.scalars(select(Image).options(selectinload(Image.tags)))
    assert images.etag(image) == changed


def test_a_tag_deleted_meanwhile_does_not_come_back_with_the_image(session: Session) -> None:
    image = an_image(session, ["ct", "mr"])
    images.delete(session, EDITOR, image.id)

    tags.remove(session, tags.ensure(session, ["ct"])["ct"])

    assert names(images.restore(session, EDITOR, image.id)) == ["mr"]


def test_a_stranger_cannot_delete_an_image_and_an_admin_can(session: Session) -> None:
    image = an_image(session)

    with pytest.raises(Forbidden):
        images.delete(session, OTHER_EDITOR, image.id)
    assert table.get(session, image.id) is not None

    images.delete(session, ADMIN, image.id)
    assert table.get(session, image.id) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"filename": "a/b"},
        {"filename": ""},
        {"size": 0},
        {"status": "present"},
        {"status": "lost"},
        {"checksum_sha256": "AB"},
        {"metadata_": []},
    ],
)
def test_the_database_itself_refuses_what_must_never_be(session: Session, broken: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        an_image(session, **broken)
