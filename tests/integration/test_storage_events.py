"""What S3 reports, taken in: on the emulator's real bucket and the real database."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chalicelib.aws import clients, storage
from chalicelib.config import settings
from chalicelib.database.tables import Image
from chalicelib.events import reconciliation
from chalicelib.events import storage as events
from chalicelib.events.storage import RecordsFailedError
from chalicelib.services import images, multipart, uploads
from chalicelib.services.multipart import PresignedParts
from chalicelib.services.uploads import Draft
from tests.builders import EDITOR, an_image

DATA = b"DICM"


@pytest.fixture
def key() -> str:
    return f"images/2026-01-01/{uuid.uuid4()}"


@pytest.fixture
def image_id(committed: Engine, key: str) -> int:
    """A pending image, committed."""
    with Session(committed) as session, session.begin():
        return an_image(session, object_key=key).id


def record(name: str, key: str, sequencer: str) -> dict[str, Any]:
    return {"eventName": name, "s3": {"object": {"key": key.replace("/", "%2F"), "size": 4, "sequencer": sequencer}}}


def created(key: str, sequencer: str) -> dict[str, Any]:
    return record("ObjectCreated:Put", key, sequencer)


def removed(key: str, sequencer: str) -> dict[str, Any]:
    return record("ObjectRemoved:Delete", key, sequencer)


def delete(key: str) -> str:
    """In a bucket with versions: the id of the marker."""
    marker: str = clients.s3().delete_object(Bucket=settings().image_bucket, Key=key)["VersionId"]
    return marker


def status(engine: Engine, image_id: int) -> str:
    with engine.connect() as connection:
        return connection.scalars(select(Image.status).where(Image.id == image_id)).one()


def test_an_object_makes_its_image_present_with_what_the_storage_says(
    committed: Engine, image_id: int, key: str
) -> None:
    stored = storage.put(key, b"other size", "application/dicom")

    events.take_in([created(key, "0A")])

    with Session(committed) as session:
        image = session.get_one(Image, image_id)
        assert (image.status, image.size, image.checksum_sha256) == ("present", 10, stored.checksum_sha256)
        assert image.uploaded_at is not None


def test_events_told_twice_or_in_the_wrong_order_end_in_the_latest_state(
    committed: Engine, image_id: int, key: str
) -> None:
    storage.put(key, DATA, "application/dicom")

    events.take_in([created(key, "0B"), created(key, "0B"), removed(key, "0A"), removed(key, "05F")])
    assert status(committed, image_id) == "present"

    delete(key)
    events.take_in([removed(key, "0B1"), created(key, "0B")])
    assert status(committed, image_id) == "missing"


def test_a_removed_object_makes_its_image_missing_until_the_removal_is_undone(
    committed: Engine, image_id: int, key: str
) -> None:
    storage.put(key, DATA, "application/dicom")
    events.take_in([created(key, "0A")])

    marker = delete(key)
    events.take_in([removed(key, "0B")])
    assert status(committed, image_id) == "missing"

    clients.s3().delete_object(Bucket=settings().image_bucket, Key=key, VersionId=marker)
    events.take_in([removed(key, "0C")])
    assert status(committed, image_id) == "present"


def test_the_event_about_a_one_shot_upload_changes_nothing_more(committed: Engine) -> None:
    draft = Draft("a.png", "image/png", 4)
    with Session(committed) as session, session.begin():
        image = uploads.store(session, EDITOR, draft, DATA)
        before, image_id, key = images.etag(image), image.id, image.object_key

    events.take_in([created(key, "0A")])

    with Session(committed) as session:
        assert images.etag(images.get(session, image_id)) == before


def test_an_object_that_is_gone_again_is_missing(committed: Engine, image_id: int, key: str) -> None:
    events.take_in([created(key, "0A")])

    assert status(committed, image_id) == "missing"


def test_an_unknown_key_is_logged_and_passed_over(
    committed: Engine, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    events.take_in([created(key, "0A")])

    (line,) = caplog.records
    assert (vars(line)["outcome"], vars(line)["object_key"]) == ("unknown", key)


def test_a_bad_record_holds_up_no_other_and_the_event_is_told_again(committed: Engine, image_id: int, key: str) -> None:
    storage.put(key, DATA, "application/dicom")

    with pytest.raises(RecordsFailedError, match="3 of 4"):
        events.take_in([{"eventName": "ObjectCreated:Put"}, {"s3": None}, created(key, "0A"), {}])

    assert status(committed, image_id) == "present"


def test_the_bin_is_no_matter_to_the_storage(committed: Engine, image_id: int, key: str) -> None:
    storage.put(key, DATA, "application/dicom")
    with Session(committed) as session, session.begin():
        image = session.get_one(Image, image_id)
        image.deleted_at = image.created_at

    events.take_in([created(key, "0A")])

    assert status(committed, image_id) == "present"


def test_an_image_whose_event_was_lost_is_healed_and_one_without_a_file_is_left(
    committed: Engine, image_id: int, key: str
) -> None:
    with Session(committed) as session, session.begin():
        waiting = an_image(session).id
    storage.put(key, DATA, "application/dicom")

    healed = reconciliation.reconcile()

    assert healed == {"present": 1}
    assert (status(committed, image_id), status(committed, waiting)) == ("present", "pending")


def test_an_image_that_cannot_be_looked_at_holds_up_no_other(
    committed: Engine, image_id: int, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(committed) as session, session.begin():
        an_image(session, object_key="images/broken")
    storage.put(key, DATA, "application/dicom")
    head = storage.head
    monkeypatch.setattr(storage, "head", lambda key: head(key if key != "images/broken" else ""))

    assert reconciliation.reconcile() == {"present": 1}
    assert status(committed, image_id) == "present"


def test_a_multipart_upload_that_was_swept_away_begins_anew(committed: Engine, image_id: int, key: str) -> None:
    def renewed() -> str | None:
        with Session(committed) as session, session.begin():
            multipart.renew(session, EDITOR, image_id, multipart=True)
            return session.get_one(Image, image_id).multipart_upload_id

    first = renewed()
    assert renewed() == first
    clients.s3().abort_multipart_upload(Bucket=settings().image_bucket, Key=key, UploadId=first)

    assert renewed() != first


def test_completing_a_multipart_upload_again_after_a_lost_answer_is_fine(
    committed: Engine, image_id: int, key: str
) -> None:
    with Session(committed) as session, session.begin():
        presigned = multipart.renew(session, EDITOR, image_id, multipart=True)
    assert isinstance(presigned, PresignedParts)
    etag = httpx.put(presigned.parts[0].url, content=DATA).headers["ETag"]

    with Session(committed) as session:
        session.begin()
        multipart.complete(session, EDITOR, image_id, {1: etag})
        session.rollback()
    for _ in range(2):
        with Session(committed) as session, session.begin():
            assert multipart.complete(session, EDITOR, image_id, {1: etag}).status == "present"


def test_a_key_that_needs_quoting_is_read_as_s3_writes_it(committed: Engine) -> None:
    key = f"images/a b+ü/{uuid.uuid4()}"
    with Session(committed) as session, session.begin():
        image_id = an_image(session, object_key=key).id
    storage.put(key, DATA, "application/dicom")

    quoted = record("ObjectCreated:Put", "", "0A")
    quoted["s3"]["object"]["key"] = key.replace("+", "%2B").replace(" ", "+").replace("ü", "%C3%BC")
    events.take_in([quoted])

    assert status(committed, image_id) == "present"


def test_the_bucket_of_the_tests_is_the_products(stack: dict[str, Any]) -> None:
    assert settings().image_bucket == stack["bucket"]
