"""What goes for good, and what must not: on the real database and the emulator's bucket."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from chalicelib.aws import bucket, clients, parts, storage
from chalicelib.aws.bucket import Listed
from chalicelib.config import settings
from chalicelib.database import images as image_table
from chalicelib.database import retention
from chalicelib.database.tables import Image, binned_image_tags, image_tags, untagged_images
from chalicelib.errors import ImageNotFound
from chalicelib.events import purge, reconciliation
from chalicelib.services import images, multipart, purging
from chalicelib.services.multipart import PresignedParts
from tests.builders import ADMIN, EDITOR, an_image
from tests.conftest import eventually
from tests.integration.metrics import counted
from tests.integration.test_races import waiting

DATA = b"DICM"
NOTHING = {"purged": 0, "uploads_ended": 0, "abandoned": 0}


@pytest.fixture(autouse=True)
def prefix(monkeypatch: pytest.MonkeyPatch) -> str:
    """A corner of the bucket in which only this test puts objects."""
    prefix = f"images/{uuid.uuid4()}/"
    monkeypatch.setattr(bucket, "PREFIX", prefix)
    return prefix


def an_old_image(engine: Engine, days: float, *tags: str, in_bin: bool = True, **fields: Any) -> tuple[int, str]:
    """Id and key of one that was registered, and binned, so many days ago."""
    when = datetime.now(UTC) - timedelta(days=days)
    id_ = (int(when.timestamp() * 1000) - 1_704_067_200_000) << 12
    with Session(engine) as session, session.begin():
        image = an_image(
            session, tags, id=id_ + int(session.scalar(text("SELECT nextval('image_id_low_bits')"))), **fields
        )
        image_id, key = image.id, image.object_key
        if in_bin:
            images.delete(session, ADMIN, image_id)
            session.flush()
            session.execute(update(Image).where(Image.id == image_id).values(deleted_at=when))
    return image_id, key


def row(engine: Engine, image_id: int) -> Image | None:
    with Session(engine) as session:
        return session.get(Image, image_id)


def versions(key: str) -> list[str]:
    return list(bucket._versions(key))


def preview_of(key: str) -> str:
    return storage.preview_key(key)


def done(result: dict[str, int]) -> dict[str, int]:
    return {name: result[name] for name in NOTHING}


def test_an_image_whose_time_in_the_bin_is_over_goes_with_every_version_and_every_link(committed: Engine) -> None:
    image_id, key = an_old_image(committed, 31, "ct", "urgent")
    kept, kept_key = an_old_image(committed, 29, "ct")
    for _ in range(2):
        storage.put(key, DATA, "application/dicom")
    bucket.hide(key)
    storage.put(kept_key, DATA, "application/dicom")
    for preview in (preview_of(key), preview_of(kept_key)):
        clients.s3().put_object(Bucket=settings().image_bucket, Key=preview, Body=DATA)
    assert len(versions(key)) == 3

    assert done(purge.purge()) == NOTHING | {"purged": 1}

    assert (row(committed, image_id), versions(key), versions(preview_of(key))) == (None, [], [])
    assert row(committed, kept) is not None
    assert (len(versions(kept_key)), len(versions(preview_of(kept_key)))) == (1, 1)
    with Session(committed) as session:
        for links in (image_tags, untagged_images, binned_image_tags):
            assert not session.scalar(select(func.count()).where(links.c.image_id == image_id))


def test_what_was_purged_and_abandoned_is_logged_by_its_ids(
    committed: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    purged, _ = an_old_image(committed, 31)
    abandoned, _ = an_old_image(committed, 8, in_bin=False)

    purge.purge()

    (said,) = [vars(record) for record in caplog.records if record.message == "purged"]
    assert (said["image_ids"], said["abandoned_image_ids"]) == ([purged], [abandoned])


def test_what_was_purged_is_logged_even_if_the_bucket_cannot_be_listed_then(
    committed: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    purged, _ = an_old_image(committed, 31)
    monkeypatch.setattr(bucket, "listed", _die)

    with pytest.raises(SystemExit):
        purge.purge()

    (said,) = [vars(record) for record in caplog.records if record.message == "purged"]
    assert said["image_ids"] == [purged]


def test_what_can_still_be_restored_is_not_purged_and_once_restored_not_abandoned(committed: Engine) -> None:
    image_id, _ = an_old_image(committed, settings().bin_days - 0.001)

    purge.purge()
    with Session(committed) as session, session.begin():
        images.restore(session, ADMIN, image_id)

    assert done(purge.purge()) == NOTHING


def test_a_purge_that_died_between_object_and_row_is_ended_by_the_next(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, key = an_old_image(committed, 31)
    storage.put(key, DATA, "application/dicom")
    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(retention, "remove", _die)
        purge.purge()
    assert (row(committed, image_id) is not None, versions(key)) == (True, [])

    assert done(purge.purge()) == NOTHING | {"purged": 1}
    assert row(committed, image_id) is None


def _die(*_: object) -> None:
    raise SystemExit


def test_an_image_that_cannot_be_purged_holds_up_no_other(committed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, bad_key = an_old_image(committed, 33)
    good, _ = an_old_image(committed, 32)
    real: Callable[[Any], None] = bucket.purge
    monkeypatch.setattr(bucket, "purge", lambda key: real(None if key == bad_key else key))

    assert done(purge.purge()) == NOTHING | {"purged": 1}

    assert (row(committed, bad) is not None, row(committed, good)) == (True, None)


def test_of_two_purges_at_once_each_image_is_purged_by_one(committed: Engine) -> None:
    old = {an_old_image(committed, 31 + number)[0] for number in range(10)}

    def purge_all() -> list[int]:
        done = []
        for image_id in sorted(old):
            with Session(committed) as session, session.begin():
                done += [image_id] if purging.purge(session, image_id) else []
        return done

    with ThreadPoolExecutor() as threads:
        purged = [each.result() for each in [threads.submit(purge_all) for _ in range(2)]]

    assert sorted(purged[0] + purged[1]) == sorted(old)


def test_an_image_restored_while_the_purge_is_at_it_stays_with_its_file(committed: Engine) -> None:
    """The clock of the one who restores is a moment behind."""
    image_id, key = an_old_image(committed, 31)
    storage.put(key, DATA, "application/dicom")

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            session.get_one(Image, image_id, with_for_update=True).deleted_at = None
            session.flush()
            running = threads.submit(purge.purge)
            eventually(lambda: waiting(committed), of="the purge waiting for the restore")
        assert done(running.result()) == NOTHING

    assert row(committed, image_id) is not None
    assert len(versions(key)) == 1


def test_an_image_that_is_being_purged_can_no_longer_be_restored(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, _ = an_old_image(committed, 31)
    monkeypatch.setattr(images, "settings", lambda: settings().model_copy(update={"bin_days": 60}))

    def restore() -> None:
        with Session(committed) as session, session.begin():
            images.restore(session, ADMIN, image_id)

    with ThreadPoolExecutor() as threads:
        with Session(committed) as session, session.begin():
            assert purging.purge(session, image_id)
            restoring = threads.submit(restore)
            eventually(lambda: waiting(committed), of="the restore waiting for the purge")
        with pytest.raises(ImageNotFound):
            restoring.result()


def begun(engine: Engine, image_id: int) -> str:
    with Session(engine) as session, session.begin():
        assert isinstance(multipart.renew(session, EDITOR, image_id, multipart=True), PresignedParts)
        upload_id = session.get_one(Image, image_id).multipart_upload_id
    assert upload_id is not None
    return upload_id


def test_an_image_in_the_bin_loses_its_multipart_upload_and_begins_a_new_one_when_restored(committed: Engine) -> None:
    image_id, key = an_old_image(committed, 0, in_bin=False)
    upload_id = begun(committed, image_id)
    with Session(committed) as session, session.begin():
        images.delete(session, ADMIN, image_id)

    assert done(purge.purge()) == NOTHING | {"uploads_ended": 1}
    assert parts.uploaded(key, upload_id, 0, 1) is None

    with Session(committed) as session, session.begin():
        images.restore(session, ADMIN, image_id)
    assert begun(committed, image_id) != upload_id


def test_a_multipart_upload_whose_file_came_by_one_put_is_ended_and_the_image_stays(committed: Engine) -> None:
    image_id, key = an_old_image(committed, 0, in_bin=False)
    upload_id = begun(committed, image_id)
    storage.put(key, DATA, "application/dicom")
    assert reconciliation.reconcile() == {"present": 1}
    assert parts.uploaded(key, upload_id, 0, 1) is not None

    assert done(purge.purge()) == NOTHING | {"uploads_ended": 1}

    assert (parts.uploaded(key, upload_id, 0, 1), storage.head(key) is not None) == (None, True)
    image = row(committed, image_id)
    assert image is not None
    assert (image.status, image.multipart_upload_id) == ("present", None)


def test_the_multipart_upload_of_a_missing_image_is_ended_once_nobody_asks_and_the_image_stays(
    committed: Engine,
) -> None:
    image_id, key = an_old_image(committed, 9, in_bin=False, status="missing")
    upload_id = begun(committed, image_id)
    assert done(purge.purge()) == NOTHING

    with Session(committed) as session, session.begin():
        session.get_one(Image, image_id).renewed_at = datetime.now(UTC) - timedelta(days=7.5)
    assert done(purge.purge()) == NOTHING | {"uploads_ended": 1}

    assert parts.uploaded(key, upload_id, 0, 1) is None
    image = row(committed, image_id)
    assert image is not None
    assert (image.status, image.deleted_at) == ("missing", None)


def test_an_upload_that_nobody_goes_on_with_goes_to_the_bin_and_can_be_taken_up_again(committed: Engine) -> None:
    image_id, key = an_old_image(committed, 8, "ct", in_bin=False)
    begun(committed, image_id)
    with Session(committed) as session, session.begin():
        session.get_one(Image, image_id).renewed_at = datetime.now(UTC) - timedelta(days=7.5)

    assert done(purge.purge()) == NOTHING | {"abandoned": 1}

    with Session(committed) as session, session.begin():
        image = images.restore(session, ADMIN, image_id)
        assert (image.status, [tag.name for tag in image.tags]) == ("missing", ["ct"])
        multipart.renew(session, EDITOR, image_id, multipart=False)
    assert done(purge.purge()) == NOTHING
    storage.put(key, DATA, "application/dicom")
    assert reconciliation.reconcile() == {"present": 1}


def test_an_upload_that_is_young_or_was_asked_for_lately_or_has_arrived_is_not_abandoned(committed: Engine) -> None:
    an_old_image(committed, 6, in_bin=False)
    asked_for, _ = an_old_image(committed, 8, in_bin=False)
    begun(committed, asked_for)
    arrived, key = an_old_image(committed, 9, in_bin=False)
    storage.put(key, DATA, "application/dicom")

    assert done(purge.purge()) == NOTHING

    assert reconciliation.reconcile() == {"present": 1}
    (image,) = [row(committed, arrived)]
    assert image is not None
    assert image.status == "present"


def limited(monkeypatch: pytest.MonkeyPatch, images_a_run: int) -> None:
    wanted = settings().model_copy(update={"purge_limit": images_a_run})
    monkeypatch.setattr(purge, "settings", lambda: wanted)


def test_a_run_deletes_no_more_than_its_limit_and_says_how_many_wait(
    committed: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for days in range(31, 36):
        an_old_image(committed, days)
    limited(monkeypatch, 2)

    runs = [done(purge.purge())["purged"] for _ in range(4)]

    assert runs == [2, 2, 1, 0]
    assert counted(capsys, "ImagesExpired") == [5, 3, 1]


def test_a_run_abandons_no_more_uploads_than_its_limit(committed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in range(8, 11):
        image_id, _ = an_old_image(committed, days, in_bin=False)
        begun(committed, image_id)
        with Session(committed) as session, session.begin():
            session.get_one(Image, image_id).renewed_at = datetime.now(UTC) - timedelta(days=7.5)
    limited(monkeypatch, 2)

    assert [done(purge.purge())["abandoned"] for _ in range(3)] == [2, 1, 0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock by which the purge notices leaps."""
    now = image_table.now

    def leap(by: timedelta) -> None:
        monkeypatch.setattr(image_table, "now", lambda session: now(session) + by)

    return leap


@pytest.mark.parametrize("days", [30, -30, 2.5])
def test_when_the_clock_leaps_nothing_is_deleted_for_a_day(
    committed: Engine, clock: Callable[[timedelta], None], capsys: pytest.CaptureFixture[str], days: float
) -> None:
    assert done(purge.purge()) == NOTHING
    image_id, _ = an_old_image(committed, 31)

    for hours in (0, 12, 23.5):
        clock(timedelta(days=days, hours=hours))
        assert done(purge.purge()) == NOTHING
    assert row(committed, image_id) is not None
    assert counted(capsys, "ClockLeapt") == [1, 1, 1]

    clock(timedelta(days=days, hours=24.5))
    assert done(purge.purge()) == NOTHING | {"purged": 1}


def test_a_pause_of_two_days_is_no_leap(committed: Engine, clock: Callable[[timedelta], None]) -> None:
    purge.purge()
    an_old_image(committed, 31)

    clock(timedelta(days=1.9))

    assert done(purge.purge()) == NOTHING | {"purged": 1}


def test_a_clock_that_leaps_ahead_and_back_is_waited_for_twice(
    committed: Engine, clock: Callable[[timedelta], None]
) -> None:
    purge.purge()
    an_old_image(committed, 31)
    clock(timedelta(days=30))
    purge.purge()

    for hours, purged in ((0, 0), (23, 0), (25, 1)):
        clock(timedelta(hours=hours))
        assert done(purge.purge())["purged"] == purged


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Makes every object in the bucket as old as this."""
    listed = bucket.listed

    def age(by: timedelta) -> None:
        def older(after: str, most: int) -> tuple[list[Listed], bool]:
            found, more = listed(after, most)
            return [each._replace(modified_at=each.modified_at - by) for each in found], more

        monkeypatch.setattr(bucket, "listed", older)

    return age


def test_an_object_that_no_image_has_is_reported_and_after_its_grace_hidden_but_not_destroyed(
    committed: Engine, prefix: str, aged: Callable[[timedelta], None], caplog: pytest.LogCaptureFixture
) -> None:
    _, known = an_old_image(committed, 0, in_bin=False, object_key=f"{prefix}of-an-image")
    orphan = f"{prefix}of-nobody"
    for key in (orphan, known):
        storage.put(key, DATA, "application/dicom")
    assert purge.purge()["orphans_found"] == 0, "it may be a one shot whose row is just being written"

    aged(timedelta(hours=23))
    assert purge.purge() == NOTHING | {"orphans_found": 1, "orphans_removed": 0}
    assert orphan in str([vars(line).get("object_keys") for line in caplog.records])
    aged(timedelta(hours=25))
    assert purge.purge() == NOTHING | {"orphans_found": 1, "orphans_removed": 1}

    assert storage.head(orphan) is None
    assert storage.head(known) is not None
    marker, data = versions_by_kind(orphan)
    clients.s3().delete_object(Bucket=settings().image_bucket, Key=orphan, VersionId=marker)
    assert storage.head(orphan) is not None
    assert data in versions(orphan)


def test_after_a_leap_of_the_clock_an_object_that_no_image_has_is_reported_and_stays(
    committed: Engine, prefix: str, clock: Callable[[timedelta], None], aged: Callable[[timedelta], None]
) -> None:
    purge.purge()
    storage.put(f"{prefix}of-nobody", DATA, "application/dicom")
    aged(timedelta(hours=2))

    for leap, removed in ((timedelta(days=30), 0), (timedelta(days=31, hours=1), 1)):
        clock(leap)
        assert purge.purge() == NOTHING | {"orphans_found": 1, "orphans_removed": removed}


def test_an_object_that_got_its_image_since_it_was_listed_is_not_hidden(committed: Engine, prefix: str) -> None:
    key = f"{prefix}late"
    storage.put(key, DATA, "application/dicom")
    (listed,), _ = bucket.listed("", 10)
    an_old_image(committed, 0, in_bin=False, object_key=key)

    with Session(committed) as session:
        assert not purging.hide_orphan(session, listed)

    assert storage.head(key) is not None


def versions_by_kind(key: str) -> tuple[str, str]:
    """The delete marker, and the version below."""
    answer = clients.s3().list_object_versions(Bucket=settings().image_bucket, Prefix=key)
    return answer["DeleteMarkers"][0]["VersionId"], answer["Versions"][0]["VersionId"]


def test_a_wrong_database_costs_the_bucket_no_more_than_so_many_objects_a_run(
    committed: Engine,
    prefix: str,
    aged: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the metric counts them all, for its alarm."""
    monkeypatch.setattr(purge, "ORPHANS_A_RUN", 3)
    for number in range(5):
        storage.put(f"{prefix}{number}", DATA, "application/dicom")
    aged(timedelta(days=2))

    found = [purge.purge() for _ in range(3)]

    assert [(each["orphans_found"], each["orphans_removed"]) for each in found] == [(5, 3), (2, 2), (0, 0)]
    assert counted(capsys, "OrphansFound") == [5, 2]


def test_the_bucket_is_gone_through_in_turn(
    committed: Engine, prefix: str, aged: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "SLICES", 1)
    monkeypatch.setattr("chalicelib.services.inventory.OBJECTS_A_SLICE", 2)
    for number in range(5):
        storage.put(f"{prefix}{number}", DATA, "application/dicom")
    aged(timedelta(hours=2))

    assert [purge.purge()["orphans_found"] for _ in range(4)] == [2, 2, 1, 2]


def test_a_part_that_is_put_after_the_upload_was_ended_is_refused(committed: Engine) -> None:
    image_id, key = an_old_image(committed, 0, in_bin=False)
    upload_id = begun(committed, image_id)
    with Session(committed) as session, session.begin():
        images.delete(session, ADMIN, image_id)
    purge.purge()

    with pytest.raises(ClientError, match="NoSuchUpload"):
        clients.s3().upload_part(Bucket=settings().image_bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=DATA)
