"""Two connections and more, at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from chalicelib.database import tags
from chalicelib.database.tables import Tag, binned_image_tags, image_tags
from chalicelib.services import images
from chalicelib.services import tags as tag_service
from chalicelib.services.images import Change
from tests.builders import EDITOR, a_tag, an_image
from tests.conftest import eventually


def test_eight_who_create_images_with_the_same_new_tags_make_each_tag_once(committed: Engine) -> None:
    start, names = Barrier(8), [f"new {number}" for number in range(20)]

    def create(client: int) -> None:
        start.wait()
        for round_ in range(5):
            with Session(committed) as session, session.begin():
                an_image(session, [f"{name} {round_}" for name in (names if client % 2 else reversed(names))])

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(create, client) for client in range(8)]:
            done.result()

    with Session(committed) as session:
        assert session.scalar(select(func.count()).select_from(Tag)) == 100
        assert session.scalar(select(func.count()).select_from(image_tags)) == 8 * 5 * 20


def test_of_two_who_edit_the_tags_of_one_image_at_once_neither_loses_theirs(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id = an_image(session).id
    start = Barrier(4)

    def add(client: int) -> None:
        start.wait()
        for number in range(10):
            with Session(committed) as session, session.begin():
                images.add_tag(session, image_id, f"{client}-{number}")

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(add, client) for client in range(4)]:
            done.result()

    with Session(committed) as session:
        assert len(tags.linked(session, image_id)) == 40


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
        links = tuple(
            set(session.scalars(select(table.c.tag_id).where(table.c.image_id == image_id)))
            for table in (image_tags, binned_image_tags)
        )
    assert links == expected


def test_deleting_an_image_and_its_tag_at_once_is_no_deadlock(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, tag_id = an_image(session, ["ct"]).id, a_tag(session, "ct")

    def delete_tag() -> None:
        with Session(committed) as session, session.begin():
            tag_service.delete(session, tag_id)

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            images.delete(session, EDITOR, image_id)
            done = threads.submit(delete_tag)
            eventually(lambda: waiting(committed), of="the tag's deletion waiting for the image's")
        done.result()

    with Session(committed) as session:
        assert session.scalar(select(func.count()).select_from(binned_image_tags)) == 0


def waiting(engine: Engine) -> bool:
    """Whether anyone waits for a lock of another."""
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_tag_being_deleted_while_an_image_takes_it_is_made_anew(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, old = an_image(session).id, a_tag(session, "ct")

    def tag() -> None:
        with Session(committed) as session, session.begin():
            images.replace(session, image_id, Change(tags=["ct"]), if_match=None)

    with ThreadPoolExecutor() as threads, Session(committed) as session:
        with session.begin():
            tag_service.delete(session, old)
            done = threads.submit(tag)
            eventually(lambda: waiting(committed), of="the image waiting for the tag's deletion")
        done.result()

        (new,) = tags.linked(session, image_id)
        assert new != old
        assert session.get_one(Tag, new).name == "ct"
