"""Two connections and more, at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from chalicelib.database import tags
from chalicelib.database.tables import Tag, image_tags
from chalicelib.services import images
from chalicelib.services import tags as tag_service
from chalicelib.services.images import Change
from tests.builders import a_tag, an_image


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


def test_a_tag_being_deleted_while_an_image_takes_it_is_made_anew(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        image_id, old = an_image(session).id, a_tag(session, "ct")
    tagging = Event()

    def tag() -> None:
        with Session(committed) as session, session.begin():
            tagging.set()
            images.replace(session, image_id, Change(tags=["ct"]), if_match=None)

    with ThreadPoolExecutor() as threads, Session(committed) as session:
        with session.begin():
            tag_service.delete(session, old)
            done = threads.submit(tag)
            tagging.wait(timeout=10)
        done.result()

        (new,) = tags.linked(session, image_id)
        assert new != old
        assert session.get_one(Tag, new).name == "ct"
