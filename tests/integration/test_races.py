"""Two connections and more, at once. All but the last decide by a lock who comes first."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier, Event

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from chalicelib.database import search, tags, upkeep
from chalicelib.database.pages import Window
from chalicelib.database.search import Criteria
from chalicelib.database.tables import Image, Tag, binned_image_tags, image_tags, untagged_images
from chalicelib.errors import ImageNotFound, TooManyTags
from chalicelib.events import housekeeping
from chalicelib.services import images, purging
from chalicelib.services import tags as tag_service
from chalicelib.services.images import Change
from chalicelib.services.limits import MAX_TAGS
from tests.builders import EDITOR, a_tag, an_image
from tests.conftest import eventually


def test_tags_are_created_in_one_order_so_that_two_creators_never_deadlock(committed: Engine) -> None:
    """The other creator holds the first of the names when ours comes: ours must not hold any other one by then."""
    names = [f"new {number:02}" for number in range(20)]

    def create() -> dict[str, int]:
        with Session(committed) as session, session.begin():
            return tags.ensure(session, reversed(names))

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            made = tags.create(session, names[:1])
            creating = threads.submit(create)
            eventually(lambda: waiting(committed), of="the second creator waiting for the first")
            made |= tags.create(session, names[1:])
        assert creating.result() == made

    with Session(committed) as session:
        assert session.scalar(select(func.count()).select_from(Tag)) == 20


def test_who_adds_a_tag_waits_for_who_changes_the_image(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id = an_image(session).id

    def add() -> None:
        with Session(committed) as session, session.begin():
            images.add_tag(session, image_id, "theirs")

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            images.add_tag(session, image_id, "ours")
            added = threads.submit(add)
            eventually(lambda: waiting(committed), of="the second waiting for the first")
        added.result()

    with Session(committed) as session:
        assert [tag.name for tag in images.get(session, image_id).tags] == ["ours", "theirs"]


def test_of_two_who_add_the_hundredth_tag_one_is_refused(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id = an_image(session, [f"tag {number}" for number in range(MAX_TAGS - 1)]).id

    def add() -> None:
        with Session(committed) as session, session.begin():
            images.add_tag(session, image_id, "theirs")

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            images.add_tag(session, image_id, "ours")
            added = threads.submit(add)
            eventually(lambda: waiting(committed) or added.done(), of="the second waiting for the first")
        with pytest.raises(TooManyTags):
            added.result()

    with Session(committed) as session:
        assert len(tags.linked(session, image_id)) == MAX_TAGS


def test_a_count_that_changes_while_it_is_added_up_loses_nothing(committed: Engine) -> None:
    """The adding up has taken its tag when another image gets it; and once the other way round."""
    with Session(committed) as session, session.begin():
        image_id, tag_id = an_image(session, ["ct"]).id, a_tag(session, "ct")

    with Session(committed) as folding, folding.begin():
        assert upkeep.fold_counts(folding, upkeep.COUNTED[0], 100) == 1
        with Session(committed) as session, session.begin():
            an_image(session, ["ct"])
    with Session(committed) as session, session.begin():
        images.take_off_tag(session, image_id, "ct")
        with Session(committed) as folding, folding.begin():
            folding.execute(text("SET LOCAL lock_timeout = '5s'"))
            assert upkeep.fold_counts(folding, upkeep.COUNTED[0], 100) == 1

    with Session(committed) as session:
        assert tag_service.get(session, tag_id).image_count == 1
        assert len(found(session, Criteria(exact_tags=("ct",)))) == 1
    housekeeping.tidy()
    with Session(committed) as session:
        assert session.get_one(Tag, tag_id).image_count == 1


def test_of_two_who_add_up_the_same_counts_one_does(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        an_image(session, ["ct"])

    with Session(committed) as session, session.begin():
        assert upkeep.fold_counts(session, upkeep.COUNTED[0], 100) == 1
        with Session(committed) as other, other.begin():
            other.execute(text("SET LOCAL lock_timeout = '5s'"))
            assert upkeep.fold_counts(other, upkeep.COUNTED[0], 100) == 0


@pytest.mark.parametrize("act", ["restore", "replace", "delete", "delete and restore"])
def test_an_image_changed_while_its_tag_is_merged_has_the_other_tag_wherever_it_is(committed: Engine, act: str) -> None:
    with Session(committed) as session, session.begin():
        image_id, kept, gone = an_image(session, ["gone"]).id, a_tag(session, "kept"), a_tag(session, "gone")
        if act == "restore":
            images.delete(session, EDITOR, image_id)

    def change() -> None:
        with Session(committed) as session, session.begin():
            if act == "replace":
                images.replace(session, image_id, Change(tags=[]), if_match=None)
            if "delete" in act:
                images.delete(session, EDITOR, image_id)
        if "restore" in act:
            with Session(committed) as session, session.begin():
                images.restore(session, EDITOR, image_id)

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            tag_service.merge(session, gone, kept)
            done = threads.submit(change)
            eventually(lambda: waiting(committed), of="the change waiting for the merge")
        done.result()

    outcomes: dict[str, tuple[set[int], set[int]]] = {"replace": (set(), set()), "delete": (set(), {kept})}
    expected = outcomes.get(act, ({kept}, set()))
    with Session(committed) as session:
        kept_links = tuple(
            set(session.scalars(select(Tag.id).join(links).where(links.c.image_id == image_id, tags.LIVE)))
            for links in (image_tags, binned_image_tags)
        )
    assert kept_links == expected


def test_an_image_that_is_purged_while_its_tag_is_merged_is_passed_over(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        binned, other = an_image(session, ["gone"]).id, an_image(session, ["gone"]).id
        kept, gone = a_tag(session, "kept"), a_tag(session, "gone")
        for image_id in (binned, other):
            images.delete(session, EDITOR, image_id)
        session.get_one(Image, binned).deleted_at = datetime.now(UTC) - timedelta(days=31)

    def merge() -> None:
        with Session(committed) as session, session.begin():
            tag_service.merge(session, gone, kept)

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            assert purging.purge(session, binned)
            merged = threads.submit(merge)
            eventually(lambda: waiting(committed), of="the merge waiting for the purge")
        merged.result()

    with Session(committed) as session:
        links = select(binned_image_tags.c.image_id).where(binned_image_tags.c.tag_id == kept)
        assert session.scalars(links).all() == [other]


def test_an_upload_is_abandoned_while_its_tag_is_merged_without_a_deadlock(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, kept, gone = an_image(session, ["gone"], id=1).id, a_tag(session, "kept"), a_tag(session, "gone")

    def abandon() -> bool:
        with Session(committed) as session, session.begin():
            return purging.abandon(session, image_id)

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            tags._keep_still(session, gone)
            abandoned = threads.submit(abandon)
            eventually(lambda: waiting(committed), of="the purge waiting for the merge")
            tag_service.merge(session, gone, kept)
        assert abandoned.result()

    with Session(committed) as session:
        links = select(binned_image_tags.c.tag_id).where(binned_image_tags.c.image_id == image_id)
        assert kept in session.scalars(links).all()


def test_a_tag_is_deleted_at_once_though_an_image_is_just_losing_it(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, tag_id = an_image(session, ["ct"]).id, a_tag(session, "ct")

    with Session(committed) as session, session.begin():
        images.delete(session, EDITOR, image_id)
        with Session(committed) as other, other.begin():
            tag_service.delete(other, tag_id)
    with Session(committed) as session, session.begin():
        images.restore(session, EDITOR, image_id)

    housekeeping.tidy()
    with Session(committed) as session:
        assert images.get(session, image_id).tags == []
        assert session.scalar(select(func.count()).select_from(Tag)) == 0


def waiting(engine: Engine) -> bool:
    """Whether anyone waits for a lock of another."""
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_tag_that_is_deleted_while_an_image_takes_it_is_not_on_the_image_and_goes_in_the_end(
    committed: Engine,
) -> None:
    with Session(committed) as session, session.begin():
        image_id, old = an_image(session).id, a_tag(session, "ct")

    with Session(committed) as session, session.begin():
        images.replace(session, image_id, Change(tags=["ct"]), if_match=None)
        with Session(committed) as other, other.begin():
            tag_service.delete(other, old)
        housekeeping.tidy()
        with Session(committed) as other:
            assert other.get(Tag, old) is not None, "the image that takes the tag would lose its footing"

    with Session(committed) as session:
        assert images.get(session, image_id).tags == []
    housekeeping.tidy()
    with Session(committed) as session:
        assert session.get(Tag, old) is None
        assert found(session, Criteria(untagged=True)) == [image_id]


def test_the_name_of_a_tag_that_is_being_deleted_is_free_for_a_new_one(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, old = an_image(session, ["ct"]).id, a_tag(session, "ct")

    with Session(committed) as session, session.begin():
        tag_service.delete(session, old)
    with Session(committed) as session, session.begin():
        new = a_tag(session, "ct")
        images.add_tag(session, image_id, "ct")

    assert new != old
    with Session(committed) as session:
        assert [tag.id for tag in images.get(session, image_id).tags] == [new]
        assert tag_service.get(session, new).image_count == 1


def test_eight_who_write_the_same_hot_tags_lose_no_count_and_meet_no_deadlock(committed: Engine) -> None:
    """While the counts are being added up; some tags are taken off again, some images go to the bin and come back."""
    start, names, done = Barrier(9), [f"hot {number}" for number in range(5)], Event()

    def write(client: int) -> None:
        start.wait()
        random = Random(client)
        for _ in range(25):
            with Session(committed) as session, session.begin():
                image_id = an_image(session, random.sample(names, 3)).id
            for change in random.sample([_replace, _add, _take_off, _bin, _bin_and_restore], 2):
                with Session(committed) as session, session.begin():
                    change(session, image_id, random.choice(names))

    def add_up() -> None:
        start.wait()
        while not done.is_set():
            housekeeping.tidy()

    with ThreadPoolExecutor(9) as threads:
        folding = threads.submit(add_up)
        for written in [threads.submit(write, client) for client in range(8)]:
            written.result()
        done.set()
        folding.result()

    with Session(committed) as session:
        per_tag = select(func.count()).where(image_tags.c.tag_id == Tag.id).scalar_subquery()
        counted = {tag_id: count for tag_id, count in session.execute(select(Tag.id, per_tag))}  # noqa: C416
        assert {tag_id: tag_service.get(session, tag_id).image_count for tag_id in counted} == counted
        assert sum(counted.values()) > 0
        tagged = select(image_tags.c.image_id)
        untagged = session.scalars(select(Image.id).where(Image.deleted_at.is_(None), Image.id.not_in(tagged)))
        assert set(session.scalars(select(untagged_images.c.image_id))) == set(untagged)


def _replace(session: Session, image_id: int, name: str) -> None:
    with suppress(ImageNotFound):
        images.replace(session, image_id, Change(tags=[name]), if_match=None)


def _add(session: Session, image_id: int, name: str) -> None:
    with suppress(ImageNotFound):
        images.add_tag(session, image_id, name)


def _take_off(session: Session, image_id: int, name: str) -> None:
    with suppress(ImageNotFound):
        for each in [name, *(tag.name for tag in images.get(session, image_id).tags)]:
            images.take_off_tag(session, image_id, each)


def _bin(session: Session, image_id: int, _: str) -> None:
    with suppress(ImageNotFound):
        images.delete(session, EDITOR, image_id)


def _bin_and_restore(session: Session, image_id: int, name: str) -> None:
    _bin(session, image_id, name)
    images.restore(session, EDITOR, image_id)


def found(session: Session, criteria: Criteria) -> list[int]:
    return [image.id for image in search.find(session, criteria, Window(100)).rows]
