"""A declared SHA-256 of a file that came in parts is compared with the file itself, however the news of it came."""

import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import pytest
from botocore.exceptions import BotoCoreError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chalicelib.aws import bucket, contents, parts
from chalicelib.database.tables import Image
from chalicelib.errors import Unavailable, UploadIncomplete
from chalicelib.events import reconciliation
from chalicelib.events import storage as events
from chalicelib.events.storage import RecordsFailedError
from chalicelib.services import multipart, verification
from chalicelib.services.multipart import PresignedParts
from tests.builders import EDITOR, an_image

DATA = b"DICM"
RIGHT, WRONG = sha256(DATA).hexdigest(), sha256(b"OTHR").hexdigest()


@pytest.fixture
def key() -> str:
    return f"images/2026-01-01/{uuid.uuid4()}"


def put_together(engine: Engine, key: str, checksum: str | None = RIGHT, data: bytes = DATA) -> int:
    """An image whose parts are one object, of which no event has told yet."""
    with Session(engine) as session, session.begin():
        image_id = an_image(session, object_key=key, checksum_sha256=checksum, size=len(data)).id
    with Session(engine) as session, session.begin():
        presigned = multipart.renew(session, EDITOR, image_id, multipart=True)
        assert isinstance(presigned, PresignedParts)
    etag = httpx.put(presigned.parts[0].url, content=data).headers["ETag"]
    with Session(engine) as session, session.begin():
        multipart.complete(session, EDITOR, image_id, {1: etag})
    return image_id


def tell(key: str, sequencer: str = "0A") -> None:
    events.take_in([{"eventName": "ObjectCreated:x", "s3": {"object": {"key": key, "sequencer": sequencer}}}])


BY: dict[str, Callable[[str], object]] = {"event": tell, "reconciliation": lambda _: reconciliation.reconcile()}


def image(engine: Engine, image_id: int) -> Image:
    with Session(engine) as session:
        return session.get_one(Image, image_id)


@pytest.mark.parametrize("by", BY)
def test_a_file_with_its_declared_checksum_becomes_present_and_shows_it(committed: Engine, key: str, by: str) -> None:
    image_id = put_together(committed, key)
    assert image(committed, image_id).status == "pending"

    BY[by](key)

    found = image(committed, image_id)
    assert (found.status, found.checksum_sha256, found.verifying_until) == ("present", RIGHT, None)


@pytest.mark.parametrize("by", BY)
def test_a_file_with_another_checksum_is_rejected_in_words_and_stays_where_it_is(
    committed: Engine, key: str, by: str
) -> None:
    image_id = put_together(committed, key, WRONG)

    BY[by](key)

    found = image(committed, image_id)
    assert (found.status, found.uploaded_at is None) == ("rejected", False)
    assert found.rejection is not None
    assert RIGHT in found.rejection
    assert WRONG in found.rejection
    tell(key, "0B")
    assert image(committed, image_id).status == "rejected"
    assert reconciliation.reconcile() == {}


def test_without_a_declared_checksum_the_file_is_present_at_once(committed: Engine, key: str) -> None:
    image_id = put_together(committed, key, None)

    assert image(committed, image_id).status == "present"


def test_parts_that_make_another_size_than_declared_are_not_put_together(committed: Engine, key: str) -> None:
    with Session(committed) as session, session.begin():
        image_id = an_image(session, object_key=key, size=4).id
    with Session(committed) as session, session.begin():
        presigned = multipart.renew(session, EDITOR, image_id, multipart=True)
        assert isinstance(presigned, PresignedParts)
    etag = httpx.put(presigned.parts[0].url, content=DATA).headers["ETag"]
    with Session(committed) as session, session.begin():
        session.get_one(Image, image_id).size = 5

    with Session(committed) as session, pytest.raises(UploadIncomplete):
        multipart.complete(session, EDITOR, image_id, {1: etag})


def test_an_object_of_another_size_than_declared_is_rejected(committed: Engine, key: str) -> None:
    image_id = put_together(committed, key)
    with Session(committed) as session, session.begin():
        session.get_one(Image, image_id).size = 5

    tell(key)

    found = image(committed, image_id)
    assert (found.status, found.rejection) == ("rejected", "The file that was uploaded has 4 bytes; 5 were declared.")


def test_while_one_reads_the_file_nobody_else_does_and_nobody_has_to_wait(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = put_together(committed, key)
    read, reads = contents.checksum_sha256, []

    def noting(key: str, etag: str, size: int, until: float) -> str | None:
        reads.append(key)
        tell(key, "0B")
        assert reconciliation.reconcile() == {}
        assert image(committed, image_id).status == "pending"
        return read(key, etag, size, until)

    monkeypatch.setattr(contents, "checksum_sha256", noting)
    tell(key)

    assert len(reads) == 1
    assert image(committed, image_id).status == "present"


def test_who_dies_while_reading_is_followed_by_the_reconciliation(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = put_together(committed, key)

    def die(*_: object) -> str:
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(contents, "checksum_sha256", die)
        tell(key)
    assert reconciliation.reconcile() == {}
    with Session(committed) as session, session.begin():
        session.get_one(Image, image_id).verifying_until = datetime.now(UTC) - timedelta(seconds=1)

    assert reconciliation.reconcile() == {"present": 1}


def test_the_reconciliation_claims_each_file_when_its_turn_has_come(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {key: put_together(committed, key) for key in (f"images/2026-01-01/{uuid.uuid4()}" for _ in range(3))}
    read, claimed = contents.checksum_sha256, []

    def noting(key: str, etag: str, size: int, until: float) -> str | None:
        claimed.append([name for name in ids if image(committed, ids[name]).verifying_until is not None])
        return read(key, etag, size, until)

    monkeypatch.setattr(contents, "checksum_sha256", noting)

    assert reconciliation.reconcile() == {"present": 3}
    assert sorted(claimed) == sorted([key] for key in ids)


def test_a_file_that_cannot_be_read_holds_up_no_other(committed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = (f"images/2026-01-01/{number}{uuid.uuid4()}" for number in range(3))
    ids = [put_together(committed, key) for key in (first, *others)]
    read = contents.checksum_sha256

    def failing(key: str, etag: str, size: int, until: float) -> str | None:
        if key == first:
            raise RuntimeError("not this one")
        return read(key, etag, size, until)

    monkeypatch.setattr(contents, "checksum_sha256", failing)

    assert reconciliation.reconcile() == {"present": 2}
    assert [image(committed, image_id).status for image_id in ids] == ["pending", "present", "present"]


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_who_reads_beyond_their_claim_leaves_the_claim_of_who_came_after(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    image_id = put_together(committed, key)
    later = datetime.now(UTC) + timedelta(hours=1)

    def outlasting(*_: object) -> str:
        with Session(committed) as session, session.begin():
            session.get_one(Image, image_id).verifying_until = later
        if ends == "badly":
            raise Unavailable("just now")
        return RIGHT

    monkeypatch.setattr(contents, "checksum_sha256", outlasting)
    with suppress(RecordsFailedError):
        tell(key)

    assert image(committed, image_id).verifying_until == later


@pytest.mark.parametrize("by", BY)
def test_who_is_not_through_in_time_gives_the_file_up_and_says_so(
    committed: Engine, key: str, by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = put_together(committed, key)
    with monkeypatch.context() as slow:
        slow.setattr(verification, "START_SECONDS", 0)
        slow.setattr(verification, "BYTES_A_SECOND", math.inf)
        with suppress(RecordsFailedError):
            BY[by](key)
    found = image(committed, image_id)
    assert (found.status, found.verifying_until) == ("pending", None)
    assert "0 of 4 bytes were read when time was up" in caplog.text

    assert reconciliation.reconcile() == {"present": 1}


def test_inspections_are_asked_for_before_files_are_read(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_together(committed, key)
    asked: list[bool] = []
    monkeypatch.setattr(reconciliation, "_ask_for_inspections", lambda: asked.append(True))

    def die(*_: object) -> str:
        raise SystemExit

    monkeypatch.setattr(contents, "checksum_sha256", die)
    with pytest.raises(SystemExit):
        reconciliation.reconcile()

    assert asked


def test_what_cannot_be_read_is_told_again_and_then_read(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = put_together(committed, key)

    def fail(*_: object) -> str:
        raise Unavailable("just now")

    with monkeypatch.context() as failing, pytest.raises(RecordsFailedError):
        failing.setattr(contents, "checksum_sha256", fail)
        tell(key)
    tell(key)

    assert image(committed, image_id).status == "present"


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two uploads, one object: what counts is the one that is there in the end."""
    image_id = put_together(committed, key, WRONG)
    read, reads = contents.checksum_sha256, []

    def replacing(key: str, etag: str, size: int, until: float) -> str | None:
        reads.append(etag)
        checksum = read(key, etag, size, until)
        if len(reads) == 1:
            put_together_again(key, b"OTHR")
        return checksum

    monkeypatch.setattr(contents, "checksum_sha256", replacing)
    tell(key)

    assert len(set(reads)) == 2
    found = image(committed, image_id)
    assert (found.status, found.checksum_sha256) == ("present", WRONG)


def put_together_again(key: str, data: bytes) -> None:
    bucket.hide(key)
    upload_id = parts.begin(key, "application/dicom")
    urls, _ = parts.presigned_parts(key, upload_id, {1: len(data)})
    etag = httpx.put(urls[1], content=data).headers["ETag"]
    assert parts.complete(key, upload_id, {1: etag}, len(data)) is None


def test_a_line_that_breaks_amid_a_file_is_taken_up_where_it_broke(
    committed: Engine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 40
    image_id = put_together(committed, key, sha256(data).hexdigest(), data)
    from_, starts = contents._chunks_from, []

    def breaking(key: str, etag: str, start: int) -> Iterator[bytes]:
        starts.append(start)
        for chunk in from_(key, etag, start):
            yield chunk[:4096]
            raise BotoCoreError

    monkeypatch.setattr(contents, "_chunks_from", breaking)
    tell(key)

    assert starts == [0, 4096, 8192]
    assert image(committed, image_id).status == "present"
