"""A caller cannot tell someone else's image in the bin from one that never was: not by the answer, and not by the time
it takes. The query itself leaves it out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from chalicelib.errors import ImageNotFound
from chalicelib.services import images, multipart
from chalicelib.services.images import Change
from tests.builders import EDITOR, OTHER_EDITOR, an_image

NO_IMAGE = 2**62

ATTEMPTS: dict[str, Callable[[Session, int], object]] = {
    "get": images.get,
    "change": lambda session, image_id: images.replace(session, image_id, Change(tags=[]), None),
    "add a tag": lambda session, image_id: images.add_tag(session, image_id, "ct"),
    "remove a tag": lambda session, image_id: images.take_off_tag(session, image_id, "ct"),
    "delete": lambda session, image_id: images.delete(session, OTHER_EDITOR, image_id),
    "restore": lambda session, image_id: images.restore(session, OTHER_EDITOR, image_id),
    "renew": lambda session, image_id: multipart.renew(session, OTHER_EDITOR, image_id, multipart=False),
    "complete": lambda session, image_id: multipart.complete(session, OTHER_EDITOR, image_id, {}),
}


@contextmanager
def noting(session: Session) -> Iterator[list[tuple[str, int]]]:
    """Each statement, and how many rows it found."""
    noted: list[tuple[str, int]] = []

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        noted.append((statement, cursor.rowcount))

    connection = session.connection()
    event.listen(connection, "after_cursor_execute", note)
    yield noted
    event.remove(connection, "after_cursor_execute", note)


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_the_binned_image_of_another_costs_the_same_work_as_one_that_never_was(
    session: Session, attempt: Callable[[Session, int], object]
) -> None:
    image_id = an_image(session).id
    images.delete(session, EDITOR, image_id)
    session.flush()

    done = []
    for each in (image_id, NO_IMAGE):
        with noting(session) as noted, pytest.raises(ImageNotFound):
            attempt(session, each)
        done.append([(statement.replace(str(each), ""), rows) for statement, rows in noted])

    assert done[0] == done[1]
    assert sum(rows for _, rows in done[0]) == 0
