"""An audit that finds nothing is worth something only if it finds what is wrong."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.faults import accesses
from tests.faults.auditor import Auditor
from tests.faults.caller import Access
from tests.faults.conftest import Aftermath
from tests.faults.promises import Image, Promises, State
from tests.faults.stack import Site
from tests.faults.timeline import Outcome, Timeline

Sql = Callable[..., list[Any]]


class Damage:
    """Each time to another image of which all is certain."""

    def __init__(self, promises: list[Promises], sql: Sql) -> None:
        self.sql = sql
        self._first = promises[0]
        told = [image for image in self._first.images if image.file == "promised" and len(image.states) == 1]
        self._images = iter(told)

    def do(self) -> None:
        self._first.images.append(Image("never", at=0, id=1, states={State(frozenset(), 1)}))
        self._first.images.remove(next(self._images))
        self._make_twice(next(self._images))
        self._add_a_tag(next(self._images))
        self._do_by_halves(next(self._images))
        self._update(next(self._images), "object_key = 'nowhere'")
        self._update(next(self._images), "status = 'pending', uploaded_at = NULL")
        self._first.tags.popitem()
        self._first.tags["lost"] = 1
        self.sql("UPDATE tags SET image_count = image_count + 1 WHERE name = 'probe'")
        self.sql("DELETE FROM untagged_images")

    def _make_twice(self, image: Image) -> None:
        self.sql(
            """
            INSERT INTO images (created_by, status, filename, content_type, size, object_key, metadata, attributes)
            SELECT created_by, 'pending', filename, content_type, size, 'again', metadata, '{}'
            FROM images WHERE id = %s
            """,
            (image.id,),
        )

    def _add_a_tag(self, image: Image) -> None:
        image.states = {state._replace(tags=state.tags | {"lost"}) for state in image.states}

    def _do_by_halves(self, image: Image) -> None:
        (state,) = image.states
        image.states = {State(frozenset({"new"}), state.note), State(state.tags, state.note + 1)}

    def _update(self, image: Image, change: str) -> None:
        self.sql(f"UPDATE images SET {change} WHERE id = %s", (image.id,))


WANTED = [
    ("lost", "there is no such image"),
    ("doubled", "was asked for by nobody"),
    ("doubled", "1 images where 0 may be"),
    ("lost", "instead of {State("),
    ("half-done", "instead of {State("),
    ("lost", "bytes is None"),
    ("lost", "its file is pending"),
    ("half-done", "there still is, or is again, a tag"),
    ("lost", "there is no tag lost"),
    ("half-done", "the count of a tag"),
    ("half-done", "the list of untagged images"),
]


def test_the_audit_finds_whatever_is_lost_doubled_or_half_done(aftermath: Aftermath) -> None:
    promises, found = copy.deepcopy(aftermath.promises), Timeline()
    with _rolled_back(aftermath.site) as sql:
        Damage(promises, sql).do()

        Auditor(aftermath.site, found, sql).compare(promises)

    for outcome, words in WANTED:
        assert any(words in each.what and outcome == each.outcome for each in found.findings), words


READ, KILLED = 10.0, 11.0
DURING = [(READ - 1, READ + 1), (READ, KILLED), (KILLED - 0.1, KILLED + 5)]
BEFORE_OR_AFTER = [(0.0, READ - 0.1), (KILLED + 0.1, KILLED + 1)]


@pytest.mark.parametrize(("sent", "answered"), DURING + BEFORE_OR_AFTER)
def test_the_audit_finds_an_access_that_is_nowhere_on_record(
    aftermath: Aftermath, sent: float, answered: float
) -> None:
    assert outcome(aftermath.site, Access("never-heard-of", sent, answered, "GET images: 200")) == "unrecorded"


@pytest.mark.parametrize(("sent", "answered"), BEFORE_OR_AFTER)
def test_the_audit_finds_an_access_that_was_logged_and_did_not_reach_the_table(
    aftermath: Aftermath, logged_only: str, sent: float, answered: float
) -> None:
    assert outcome(aftermath.site, Access(logged_only, sent, answered, "GET images: 200")) == "unrecorded"


@pytest.mark.parametrize(("sent", "answered"), DURING)
def test_the_audit_excuses_what_may_have_been_in_the_memory_of_the_emulator_only(
    aftermath: Aftermath, logged_only: str, sent: float, answered: float
) -> None:
    assert outcome(aftermath.site, Access(logged_only, sent, answered, "GET images: 200")) == "log only"


WRONG = {"method": "PATCH", "path": "/v1/nowhere", "status": 599, "user_id": "nobody", "image_ids": [1]}


@pytest.mark.parametrize("name", WRONG)
def test_the_audit_finds_a_record_that_says_something_else(aftermath: Aftermath, name: str) -> None:
    recorded = accesses.in_the_table(aftermath.site)
    access = next(each for each in aftermath.accesses if name in each.expected and each.request_id in recorded)

    assert outcome(aftermath.site, access) is None
    assert outcome(aftermath.site, replace(access, expected={name: WRONG[name]})) == "misrecorded"


@pytest.mark.parametrize(("sent", "answered"), DURING)
def test_the_audit_excuses_a_record_that_is_in_the_log_only_while_the_table_was_away(
    aftermath: Aftermath, undelivered: str, sent: float, answered: float
) -> None:
    assert outcome(aftermath.site, Access(undelivered, sent, answered, "GET images: 200")) == "undelivered"


@pytest.mark.parametrize(("sent", "answered"), BEFORE_OR_AFTER)
def test_the_audit_finds_a_record_that_was_not_delivered_although_the_table_was_there(
    aftermath: Aftermath, undelivered: str, sent: float, answered: float
) -> None:
    assert outcome(aftermath.site, Access(undelivered, sent, answered, "GET images: 200")) == "unrecorded"


def test_the_audit_finds_a_line_of_the_log_that_is_not_the_whole_record(aftermath: Aftermath, undelivered: str) -> None:
    access = Access(undelivered, READ, KILLED, "GET images: 200", {"status": 404})

    assert outcome(aftermath.site, access) == "misrecorded"


@pytest.fixture(scope="module")
def undelivered(aftermath: Aftermath) -> str:
    """A request id: the log says that the table did not take its record."""
    line = dict.fromkeys(accesses.FIELDS) | {"message": "request", "request_id": "undelivered", "started": 0}
    with Path(aftermath.site.description["log"]).open("a") as log:
        log.write(json.dumps(line | {"access_record": "undelivered"}) + "\n")
    return "undelivered"


@pytest.fixture(scope="module")
def logged_only(aftermath: Aftermath) -> str:
    """A request id: the log says that its record was delivered, and the table does not have it."""
    line = {"message": "request", "request_id": "logged-only"}
    with Path(aftermath.site.description["log"]).open("a") as log:
        log.write(json.dumps(line) + "\n")
    return line["request_id"]


def outcome(site: Site, access: Access) -> Outcome | None:
    """None when the access is on record."""
    timeline = Timeline(forgotten=[(READ, KILLED)], without_records=[(READ, KILLED)])
    accesses.compare(site, timeline, [access])
    return next((found for _, found in timeline.outcomes), None)


@contextmanager
def _rolled_back(site: Site) -> Iterator[Sql]:
    """What is done there nobody else sees."""
    with closing(psycopg2.connect(site.description["database_url"])) as connection, connection.cursor() as cursor:

        def sql(statement: str, parameters: Any = None) -> list[Any]:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

        yield sql
