"""What the storage's events left out is found in turn: on the real database and the emulator's bucket."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chalicelib.aws import bucket, storage
from chalicelib.aws.storage import Stored
from chalicelib.database.tables import Image
from chalicelib.events import reconciliation
from chalicelib.events import storage as events
from chalicelib.services import uploads
from tests.builders import an_image
from tests.conftest import eventually
from tests.integration.metrics import counted
from tests.integration.test_races import waiting

DATA = b"DICM"


@pytest.fixture(autouse=True)
def prefix(monkeypatch: pytest.MonkeyPatch) -> str:
    """A corner of the bucket in which only this test puts objects."""
    prefix = f"images/{uuid.uuid4()}/"
    monkeypatch.setattr(bucket, "PREFIX", prefix)
    return prefix


def registered(engine: Engine, *keys: str, there: bool = False) -> None:
    with Session(engine) as session, session.begin():
        for key in keys:
            image = an_image(session, object_key=key)
            if there:
                image.status, image.uploaded_at = "present", image.created_at


def put(*keys: str) -> None:
    for key in keys:
        storage.put(key, DATA, "application/dicom")


def statuses(engine: Engine) -> list[str]:
    """By object key."""
    with engine.connect() as connection:
        return list(connection.scalars(select(Image.status).order_by(Image.object_key)))


def test_an_object_that_vanished_without_an_event_makes_its_image_missing(
    committed: Engine, prefix: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    kept, gone = f"{prefix}a", f"{prefix}b"
    put(kept)
    registered(committed, kept, gone, there=True)

    assert reconciliation.reconcile() == {"missing": 1}
    assert counted(capsys, "ImagesHealed") == [1]

    assert statuses(committed) == ["present", "missing"]
    (said,) = [vars(line) for line in caplog.records if line.message.startswith("healed images")]
    with committed.connect() as connection:
        image_id = connection.scalar(select(Image.id).where(Image.object_key == gone))
    assert (said["image_ids"], said["became"]) == ([image_id], {"missing": 1})
    put(gone)
    assert reconciliation.reconcile() == {"present": 1}


def test_images_whose_upload_urls_ended_long_ago_are_counted(
    committed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that were registered two lifetimes of an upload URL ago, and wait; for their alarm."""
    with Session(committed) as session, session.begin():
        for id_ in (1, 2):
            an_image(session, id=id_)
        an_image(session)
        an_image(session, id=3).deleted_at = datetime.now(UTC)

    reconciliation.reconcile()

    assert counted(capsys, "ImagesPendingLong") == [2]


def test_where_all_is_well_nothing_is_done_and_nothing_said(
    committed: Engine, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(f"{prefix}a")
    registered(committed, f"{prefix}a", there=True)
    registered(committed, f"{prefix}b")

    assert reconciliation.reconcile() == {}

    assert caplog.records == []


def test_older_images_that_wait_are_looked_at_in_turn(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two newest in each run, and two others."""
    monkeypatch.setattr(reconciliation, "NEWEST_IMAGES", 2)
    monkeypatch.setattr(reconciliation, "OLDER_IMAGES", 2)
    monkeypatch.setattr(reconciliation, "SLICES", 0)
    registered(committed, *(f"{prefix}{number}" for number in range(7)))
    asked: list[str] = []
    head = storage.head

    def noted(key: str) -> Stored | None:
        asked.append(key[-1])
        return head(key)

    monkeypatch.setattr(storage, "head", noted)
    runs = []
    for _ in range(5):
        asked.clear()
        reconciliation.reconcile()
        runs.append("".join(asked))

    assert runs == ["6543", "6521", "650", "6543", "6521"]


def test_the_bucket_is_gone_through_in_turn_and_its_newest_in_every_run(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SLICES", 1)
    monkeypatch.setattr("chalicelib.services.inventory.OBJECTS_A_SLICE", 2)
    keys = [f"{prefix}{number}" for number in range(6)]
    put(*keys[::2])
    registered(committed, *keys, there=True)

    found = [reconciliation.reconcile() for _ in range(3)]

    assert found == [{"missing": 1}, {"missing": 2}, {}]


def test_a_slice_with_many_images_and_few_objects_is_bounded_too(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SLICES", 1)
    monkeypatch.setattr("chalicelib.services.inventory.ROWS_A_SLICE", 3)
    keys = [f"{prefix}{number}" for number in range(7)]
    put(keys[6])
    registered(committed, *keys, there=True)

    found = [reconciliation.reconcile() for _ in range(4)]

    assert found == [{"missing": 3}, {"missing": 3}, {}, {}]
    assert statuses(committed) == ["missing"] * 6 + ["present"]


def test_a_wrong_bucket_costs_no_more_than_so_many_images_a_run(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the metric counts all that are found missing, for its alarm."""
    monkeypatch.setattr(reconciliation, "VANISHED_A_RUN", 3)
    keys = [f"{prefix}{number}" for number in range(5)]
    registered(committed, *keys, there=True)

    assert [reconciliation.reconcile() for _ in range(3)] == [{"missing": 3}, {"missing": 2}, {}]
    assert counted(capsys, "ObjectsVanished")[0] == 5

    put(*keys)
    assert reconciliation.reconcile() == {"present": 5}


def test_what_is_above_the_cap_is_where_the_next_run_goes_on(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "VANISHED_A_RUN", 3)
    monkeypatch.setattr(reconciliation, "SLICES", 2)
    monkeypatch.setattr("chalicelib.services.inventory.ROWS_A_SLICE", 4)
    keys = [f"{prefix}{number}" for number in range(10)]
    put(keys[1])
    registered(committed, *keys[:1], *keys[2:], there=True)
    registered(committed, keys[1])

    runs = []
    for _ in range(4):
        reconciliation.reconcile()
        runs.append("".join(status[0] for status in statuses(committed)))

    assert runs == ["mpmmpppppp", "mpmmmmmppp", "mpmmmmmmmm", "mpmmmmmmmm"]


def test_what_time_cut_off_is_where_the_next_run_goes_on(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SLICES", 1)
    monkeypatch.setattr("chalicelib.services.inventory.ROWS_A_SLICE", 4)
    keys = [f"{prefix}{number}" for number in range(10)]
    registered(committed, *keys, there=True)
    look_again = uploads.look_again

    def slow(session: Session, object_key: str) -> object:
        if object_key == keys[1]:
            late = time.monotonic() + reconciliation.SECONDS_A_SLICE
            cut.setattr("chalicelib.events.steps.time", SimpleNamespace(monotonic=lambda: late))
        return look_again(session, object_key)

    with monkeypatch.context() as cut:
        cut.setattr(uploads, "look_again", slow)
        assert reconciliation.reconcile() == {"missing": 2}
    reconciliation.reconcile()

    assert statuses(committed) == ["missing"] * 6 + ["present"] * 4


def test_a_file_that_comes_while_its_image_is_looked_at_is_not_lost(committed: Engine, prefix: str) -> None:
    """The event waits for the reconciliation, and then finds the file."""
    key = f"{prefix}a"
    registered(committed, key, there=True)
    event = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key, "sequencer": "0A"}}}

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            assert uploads.look_again(session, key) == "missing"
            put(key)
            told = threads.submit(events.take_in, [event])
            eventually(lambda: waiting(committed), of="the event waiting for the reconciliation")
        told.result()

    assert statuses(committed) == ["present"]


def test_an_event_that_is_quicker_than_the_reconciliation_stands(
    committed: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slice is compared, then the file comes back and its event, and only then the image is looked at."""
    key = f"{prefix}a"
    registered(committed, key, there=True)
    look_again, came = uploads.look_again, Event()

    def late(session: Session, object_key: str) -> object:
        if not came.is_set():
            put(object_key)
            events.take_in([{"eventName": "x", "s3": {"object": {"key": object_key, "sequencer": "0A"}}}])
            came.set()
        return look_again(session, object_key)

    monkeypatch.setattr(uploads, "look_again", late)

    assert reconciliation.reconcile() == {}
    assert came.is_set()
    assert statuses(committed) == ["present"]
