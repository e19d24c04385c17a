"""From a file that has come to what its image's row says of it: on the real bucket, queue and database."""

import json
import math
import struct
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chalicelib.aws import clients, contents, storage
from chalicelib.config import SettingsError, settings
from chalicelib.database import inspections as table
from chalicelib.database.tables import MOST_INSPECTIONS_ASKED, Image, Tag, binned_image_tags, image_tags
from chalicelib.errors import Unavailable
from chalicelib.events import inspection, reconciliation
from chalicelib.events import storage as events
from chalicelib.events.storage import RecordsFailedError
from chalicelib.imaging import sandbox
from chalicelib.imaging.dicom import unknown_keywords
from chalicelib.imaging.identifying import IDENTIFYING
from chalicelib.imaging.inspection import Findings, Subject
from chalicelib.services import images, inspections, multipart, purging
from chalicelib.services.inspections import Verdict, automatic_tags
from tests.builders import EDITOR, an_image
from tests.conftest import eventually
from tests.files import JPEG
from tests.imaging.files import bundled, dicom
from tests.imaging.test_previews import nifti
from tests.imaging.test_profile import SECRET, carrying_the_whole_table
from tests.integration.test_storage_events import created, removed

Configure = Callable[..., None]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Sets settings of the product for the test."""

    def configure(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        for cached in (settings, inspection.policy):
            cached.cache_clear()

    yield configure
    monkeypatch.undo()
    configure()


@pytest.fixture
def asked(committed: Engine, configured: Configure) -> Callable[[], list[str]]:
    """Takes from a queue of the test's own: the object keys of which an inspection was asked."""
    sqs = clients.sqs()
    queue = sqs.create_queue(QueueName=f"test-{uuid.uuid4()}")["QueueUrl"]
    configured(INSPECTION_QUEUE=queue)

    def take() -> list[str]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return sorted(json.loads(message["Body"])["object_key"] for message in found)

    return take


def new_key() -> str:
    return f"images/2026-01-01/{uuid.uuid4()}"


def a_present(engine: Engine, content: bytes, **fields: Any) -> str:
    """The object key of an image whose file is there."""
    key = new_key()
    storage.put(key, content, "application/dicom")
    with Session(engine) as session, session.begin():
        an_image(session, object_key=key, status="present", uploaded_at=datetime.now(UTC), size=len(content), **fields)
    return key


def row(engine: Engine, key: str) -> Image:
    with Session(engine) as session:
        return session.scalars(select(Image).where(Image.object_key == key)).one()


def inspect(*keys: str) -> None:
    inspection.inspect([{"body": json.dumps({"object_key": key})} for key in keys])


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """What happens between an inspection's look at a file and its word on it."""

    def during(happening: Callable[[], object]) -> None:
        look = sandbox.inspect

        def looked(subject: Subject) -> Findings:
            found = look(subject)
            happening()
            return found

        monkeypatch.setattr(sandbox, "inspect", looked)

    return during


# What asks for an inspection


def test_a_file_that_has_come_is_asked_for_once_it_is_committed(committed: Engine, asked: Any) -> None:
    key = new_key()
    storage.put(key, JPEG, "image/jpeg")
    with Session(committed) as session, session.begin():
        an_image(session, object_key=key)

    events.take_in([created(key, "0A")])

    assert asked() == [key]
    assert row(committed, key).status == "present"


def test_what_is_no_image_is_refused_as_it_comes_and_waits_in_no_queue(
    committed: Engine, asked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key = new_key()
    storage.put(key, b"%PDF-1.7", "image/jpeg")
    with Session(committed) as session, session.begin():
        an_image(session, object_key=key)

    events.take_in([created(key, "0A")])

    image = row(committed, key)
    assert (image.status, image.rejection) == ("rejected", "The file is a PDF document, not an image.")
    assert image.inspected_at is not None
    assert asked() == []
    assert [vars(line)["outcome"] for line in caplog.records if line.message == "storage record"] == ["rejected"]


def test_where_unknown_files_are_kept_they_wait_for_their_inspection(
    committed: Engine, asked: Any, configured: Configure
) -> None:
    configured(REJECT_UNKNOWN_FILES="false")
    key = a_present(committed, b"%PDF-1.7")

    events.take_in([created(key, "0A")])

    assert (row(committed, key).status, asked()) == ("present", [key])


def test_every_message_names_the_caller_whose_turn_it_takes(committed: Engine, configured: Configure) -> None:
    sqs = clients.sqs()
    queue = sqs.create_queue(QueueName=f"test-{uuid.uuid4()}")["QueueUrl"]
    configured(INSPECTION_QUEUE=queue)
    by_event, by_reconciliation = (a_present(committed, JPEG, created_by=each) for each in ("ann", "ben"))
    long_ago = datetime.now(UTC) - timedelta(days=1)
    with committed.begin() as connection:
        connection.execute(update(Image).where(Image.object_key == by_reconciliation).values(uploaded_at=long_ago))

    events.take_in([created(by_event, "0A")])
    reconciliation.reconcile()

    names = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["MessageGroupId"]}
    messages = sqs.receive_message(QueueUrl=queue, **names)["Messages"]
    groups = {json.loads(each["Body"])["object_key"]: each["Attributes"]["MessageGroupId"] for each in messages}
    assert groups == {by_event: "ann", by_reconciliation: "ben"}


def test_an_event_that_is_told_again_asks_again_until_the_file_is_inspected(committed: Engine, asked: Any) -> None:
    key = a_present(committed, JPEG)

    for _ in range(2):
        events.take_in([created(key, "0A")])
        assert asked() == [key]
    inspect(key)
    events.take_in([created(key, "0A")])

    assert asked() == []


def test_a_key_that_nobody_knows_yet_is_asked_for_a_moment_later(asked: Any) -> None:
    key = new_key()

    events.take_in([created(key, "0A")])

    assert asked() == []
    assert eventually(asked, of="the message that was put off") == [key]


def test_a_key_that_nobody_knows_any_more_is_not_asked_for(configured: Configure) -> None:
    configured(INSPECTION_QUEUE=clients.sqs().meta.endpoint_url + "/000000000000/never-made")

    events.take_in([removed(new_key(), "0A")])


def test_an_event_whose_message_cannot_be_sent_fails_and_leaves_the_image_present(
    committed: Engine, configured: Configure
) -> None:
    key = a_present(committed, JPEG)
    configured(INSPECTION_QUEUE=clients.sqs().meta.endpoint_url + "/000000000000/never-made")

    with pytest.raises(RecordsFailedError):
        events.take_in([created(key, "0A")])

    assert row(committed, key).status == "present"


def test_what_was_lost_is_asked_for_again_a_few_times_and_no_more(committed: Engine, asked: Any) -> None:
    lost, fresh = a_present(committed, JPEG), a_present(committed, JPEG)
    long_ago = datetime.now(UTC) - timedelta(minutes=reconciliation.INSPECTION_MINUTES + 1)
    with committed.begin() as connection:
        connection.execute(update(Image).where(Image.object_key == lost).values(uploaded_at=long_ago))

    rounds = []
    for _ in range(MOST_INSPECTIONS_ASKED + 1):
        reconciliation.reconcile()
        rounds.append(asked())
        with committed.begin() as connection:
            waited = dict.fromkeys(("uploaded_at", "inspections_asked_at"), long_ago - timedelta(days=1))
            connection.execute(update(Image).where(Image.object_key == lost).values(waited))

    assert rounds == [[lost]] * MOST_INSPECTIONS_ASKED + [[]]
    assert row(committed, fresh).inspections_asked == 0


def test_what_waits_in_a_long_queue_is_asked_for_again_later_and_later(
    committed: Engine, asked: Callable[[], list[str]]
) -> None:
    key = a_present(committed, JPEG)
    minutes = reconciliation.INSPECTION_MINUTES

    def asked_after(waited: float, times: int) -> list[str]:
        ago = datetime.now(UTC) - timedelta(minutes=waited)
        with committed.begin() as connection:
            noted = {"inspections_asked": times, "inspections_asked_at": ago if times else None}
            connection.execute(update(Image).values(uploaded_at=datetime.now(UTC) - timedelta(days=1), **noted))
        reconciliation.reconcile()
        return asked()

    assert asked_after(minutes, times=0) == [key]
    assert asked_after(2 * minutes - 1, times=1) == []
    assert asked_after(2 * minutes + 1, times=1) == [key]
    assert asked_after(16 * minutes - 1, times=4) == []


def test_a_queue_that_is_away_leaves_the_lost_ones_to_the_next_time(committed: Engine, configured: Configure) -> None:
    key = a_present(committed, JPEG)
    with committed.begin() as connection:
        connection.execute(update(Image).values(uploaded_at=datetime.now(UTC) - timedelta(days=1)))
    configured(INSPECTION_QUEUE=clients.sqs().meta.endpoint_url + "/000000000000/never-made")

    with pytest.raises(Unavailable):
        reconciliation.reconcile()

    assert row(committed, key).inspections_asked == 0


# What comes of it


def test_attributes_and_preview_are_kept(committed: Engine) -> None:
    key = a_present(committed, bundled("MR_small.dcm"))

    inspect(key)

    image = row(committed, key)
    assert (image.status, image.attributes["Modality"], image.attributes["Rows"]) == ("present", "MR", 64)
    assert image.inspected_at is not None
    assert image.has_preview
    preview = contents.read(storage.preview_key(key), 0, 100)
    assert preview[:4] + preview[8:12] == b"RIFFWEBP"


def test_what_is_no_image_is_rejected_and_stays_for_its_owner_and_admins(committed: Engine) -> None:
    key = a_present(committed, b"%PDF-1.7")

    inspect(key)

    image = row(committed, key)
    assert (image.status, image.rejection) == ("rejected", "The file is a PDF document, not an image.")
    assert image.uploaded_at is not None
    assert (image.attributes, image.has_preview) == ({}, False)


def test_a_rejected_image_goes_to_the_bin_and_comes_back_rejected(committed: Engine) -> None:
    key = a_present(committed, b"%PDF-1.7")
    inspect(key)

    with Session(committed) as session, session.begin():
        image_id = session.scalars(select(Image.id).where(Image.object_key == key)).one()
        images.delete(session, EDITOR, image_id)
    with Session(committed) as session, session.begin():
        assert images.restore(session, EDITOR, image_id).status == "rejected"


def test_a_rejected_image_stays_so_whatever_the_storage_tells_again(committed: Engine) -> None:
    key = a_present(committed, b"%PDF-1.7")
    inspect(key)

    events.take_in([created(key, "0B")])
    with Session(committed) as session, session.begin():
        multipart.complete(session, EDITOR, row(committed, key).id, {})

    assert row(committed, key).status == "rejected"


def test_a_file_of_an_unknown_kind_is_kept_where_the_setting_says_so(committed: Engine, configured: Configure) -> None:
    configured(REJECT_UNKNOWN_FILES="false")
    key = a_present(committed, b"%PDF-1.7")

    inspect(key)

    assert (row(committed, key).status, row(committed, key).attributes) == ("present", {"Format": "unknown"})


def test_a_kind_other_than_the_declared_one_is_kept_and_said(committed: Engine) -> None:
    key, plain = a_present(committed, JPEG), a_present(committed, JPEG, content_type="image/jpeg")

    inspect(key, plain)

    assert row(committed, key).attributes["DeclaredAs"] == "application/dicom"
    assert "DeclaredAs" not in row(committed, plain).attributes


def test_a_declared_kind_is_the_same_in_capitals_and_with_parameters(committed: Engine) -> None:
    key = a_present(committed, JPEG, content_type="Image/JPEG; q=1")

    inspect(key)

    assert "DeclaredAs" not in row(committed, key).attributes


def test_the_tags_of_an_image_that_is_inspected_in_the_bin_wait_there_and_come_back_with_it(
    committed: Engine, configured: Configure
) -> None:
    configured(AUTO_TAGS="modality:{Modality}|rows:{Rows}")
    key = a_present(committed, dicom(), tags_=["rows:4"])
    with Session(committed) as session, session.begin():
        images.delete(session, EDITOR, row(committed, key).id)

    inspect(key)

    with Session(committed) as session, session.begin():
        waiting = select(Tag.name).join(binned_image_tags, binned_image_tags.c.tag_id == Tag.id).order_by(Tag.name)
        assert session.scalars(waiting).all() == ["modality:CT", "rows:4"]
        assert session.scalar(select(func.count()).select_from(image_tags)) == 0
        restored = images.restore(session, EDITOR, row(committed, key).id)
        assert [tag.name for tag in restored.tags] == ["modality:CT", "rows:4"]


def test_an_image_that_is_purged_while_its_file_is_looked_into_leaves_no_preview(
    committed: Engine, meanwhile: Any
) -> None:
    key = a_present(committed, dicom(), deleted_at=datetime.now(UTC) - timedelta(days=31))
    image_id = row(committed, key).id

    def purge() -> None:
        with Session(committed) as session, session.begin():
            assert purging.purge(session, image_id)

    meanwhile(purge)
    inspect(key)

    assert contents.read(storage.preview_key(key), 0, 1) == b""


def test_no_purge_comes_between_a_preview_and_the_word_of_it(committed: Engine) -> None:
    key = a_present(committed, dicom(), deleted_at=datetime.now(UTC) - timedelta(days=31))
    image_id = row(committed, key).id

    with Session(committed) as session, session.begin():
        waiting = table.waiting(session, key)
        assert waiting is not None
        assert inspections.settle(session, waiting, Verdict({"Format": "DICOM"}, b"preview")) == "present"
        with Session(committed) as other, pytest.raises(OperationalError, match="lock timeout"), other.begin():
            other.execute(text("SET LOCAL lock_timeout = '100ms'"))
            purging.purge(other, image_id)
    with Session(committed) as session, session.begin():
        assert purging.purge(session, image_id)

    assert contents.read(storage.preview_key(key), 0, 1) == b""


def test_what_was_seen_in_an_earlier_file_is_not_said_of_a_later_one(committed: Engine, meanwhile: Any) -> None:
    key = a_present(committed, dicom(Modality="MR"))

    def replace() -> None:
        clients.s3().delete_object(Bucket=settings().image_bucket, Key=key)
        events.take_in([removed(key, "0E")])
        storage.put(key, JPEG, "image/jpeg")
        events.take_in([created(key, "0F")])

    meanwhile(replace)
    inspect(key)

    assert (row(committed, key).inspected_at, row(committed, key).attributes) == (None, {})


def test_a_later_file_does_not_show_what_was_read_from_the_earlier(committed: Engine) -> None:
    key = a_present(committed, dicom())
    inspect(key)
    clients.s3().delete_object(Bucket=settings().image_bucket, Key=key)
    events.take_in([removed(key, "0E")])
    storage.put(key, JPEG, "image/jpeg")

    events.take_in([created(key, "0F")])

    assert (row(committed, key).attributes, row(committed, key).has_preview) == ({}, False)


def test_a_file_that_carries_the_whole_profile_leaves_nothing_in_the_log(
    committed: Engine, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    key = a_present(committed, carrying_the_whole_table())

    inspect(key)

    (line,) = [vars(record) for record in caplog.records if record.name == "tagged-image-manager"]
    assert (line["outcome"], line["kind"], line["has_preview"]) == ("present", "DICOM", True)
    by_chance = {"object_key", "image_ids", "args", "created", "msecs", "relativeCreated", "thread", "process"}
    assert SECRET not in repr({name: value for name, value in line.items() if name not in by_chance})
    (image_id,) = line["image_ids"]
    assert SECRET not in "".join(capfd.readouterr()).replace(key, "").replace(str(image_id), "")


def test_two_at_once_are_one(committed: Engine) -> None:
    key = a_present(committed, dicom())
    with Session(committed) as session:
        waiting = table.waiting(session, key)
    assert waiting is not None
    verdicts = [Verdict({"Format": "DICOM"}), Verdict(rejection="no")]

    def settle(verdict: Verdict) -> str:
        with Session(committed) as session, session.begin():
            return inspections.settle(session, waiting, verdict)

    with ThreadPoolExecutor() as threads:
        outcomes = list(threads.map(settle, verdicts))

    assert sorted(outcomes) in (["late", "present"], ["late", "rejected"])


def test_a_file_that_went_meanwhile_is_no_failure(committed: Engine) -> None:
    key = a_present(committed, JPEG)
    clients.s3().delete_object(Bucket=settings().image_bucket, Key=key)

    inspect(key, new_key())

    assert row(committed, key).inspected_at is None


def test_a_file_that_comes_again_is_inspected_again(committed: Engine) -> None:
    key = a_present(committed, b"%PDF-1.7")
    inspect(key)
    marker = clients.s3().delete_object(Bucket=settings().image_bucket, Key=key)["VersionId"]
    events.take_in([created(key, "0C")])
    assert row(committed, key).status == "missing"
    clients.s3().delete_object(Bucket=settings().image_bucket, Key=key, VersionId=marker)
    storage.put(key, JPEG, "image/jpeg")

    events.take_in([created(key, "0D")])
    inspect(key)

    image = row(committed, key)
    assert (image.status, image.rejection, image.attributes["Format"]) == ("present", None, "JPEG")


def test_storage_that_is_away_fails_the_inspection_which_then_comes_again(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_present(committed, bundled("CT_small.dcm"))

    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        clients.s3.cache_clear()
        with pytest.raises(Unavailable):
            inspect(key)
    clients.s3.cache_clear()
    inspect(key)

    assert row(committed, key).has_preview


# Automatic tags and settings


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", []),
        ("modality:{Modality}|{BodyPartExamined}", ["modality:CT"]),
        ("{ImageType}", ["ORIGINAL", "AXIAL"]),
        ("{Modality} of {Rows}", ["CT of 512"]),
        (" all |  ", ["all"]),
    ],
)
def test_rules_make_tags_of_attributes(rules: str, expected: list[str]) -> None:
    attributes = {"Modality": "CT", "ImageType": ["ORIGINAL", "AXIAL"], "Rows": 512}

    assert list(automatic_tags(rules, attributes)) == expected


def test_automatic_tags_are_off_unless_asked_for_and_stop_at_a_hundred(
    committed: Engine, configured: Configure
) -> None:
    plain = a_present(committed, dicom())
    inspect(plain)
    configured(AUTO_TAGS="modality:{Modality}|rows:{Rows}")
    tagged, full = a_present(committed, dicom()), a_present(committed, dicom(), tags_=[f"t{i}" for i in range(99)])
    inspect(tagged, full)

    with Session(committed) as session:
        names = {
            key: [tag.name for tag in images.get(session, row(committed, key).id).tags] for key in (plain, tagged, full)
        }
    assert (names[plain], names[tagged]) == ([], ["modality:CT", "rows:4"])
    assert len(names[full]) == 100
    assert "modality:CT" in names[full]


def test_of_an_image_with_nearly_all_tags_those_that_it_has_take_no_room_and_none_is_made_in_vain(
    committed: Engine, configured: Configure
) -> None:
    configured(AUTO_TAGS="modality:{Modality}|rows:{Rows}|columns:{Columns}")
    key = a_present(committed, dicom(), tags_=["modality:CT", *(f"t{i}" for i in range(98))])

    inspect(key)

    with Session(committed) as session:
        names = {tag.name for tag in images.get(session, row(committed, key).id).tags}
        assert (len(names), "rows:4" in names) == (100, True)
        assert session.scalar(select(Tag.id).where(Tag.name == "columns:4")) is None


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("EXTRA_ATTRIBUTES", "EchoNumbers, PatientName, Nonsens", "PatientName, Nonsens"),
        ("EXTRA_ATTRIBUTES", "EchoNumbers, StudyDate, StudyInstanceUID", "StudyDate, StudyInstanceUID"),
        ("EXTRA_ATTRIBUTES", "EchoNumbers, PatientID, SeriesDate", "PatientID, SeriesDate"),
        ("EXTRA_ATTRIBUTES", "CodingSchemeUID", "CodingSchemeUID"),
        ("IDENTIFYING_ATTRIBUTES", "PatientID, PatientName", "PatientName"),
        ("AUTO_TAGS", "{Modality} of {Modalty}|{PatientName}", "Modalty, PatientName"),
        ("INDEXED_ATTRIBUTES", "Modality,Modalty", "Modalty"),
    ],
)
def test_keywords_that_cannot_be_kept_are_refused_by_name_before_any_file_is_looked_at(
    committed: Engine, configured: Configure, name: str, value: str, refused: str
) -> None:
    key = a_present(committed, b"%PDF-1.7")
    configured(**{name: value})

    with pytest.raises(SettingsError, match=rf"^{name} names .*: {refused}\. (Remove|Correct)"):
        inspect(key)

    assert row(committed, key).status == "present"


def test_an_attribute_that_is_no_longer_kept_may_stay_indexed(configured: Configure) -> None:
    """Images that were inspected before still have it."""
    configured(INDEXED_ATTRIBUTES="Modality,EchoNumbers")

    assert "EchoNumbers" not in inspection.policy().extra


@pytest.mark.parametrize("setting", ["EXTRA_ATTRIBUTES", "IDENTIFYING_ATTRIBUTES"])
def test_nothing_of_the_profile_is_kept_unless_a_setting_that_says_so_names_it(
    configured: Configure, setting: str
) -> None:
    """Each keyword of PS3.15's table that can be kept at all."""
    keywords = [keyword for keyword in sorted(IDENTIFYING) if not unknown_keywords([keyword])]
    refused = []
    for start in range(0, len(keywords), 50):
        chunk = keywords[start : start + 50]
        configured(**{setting: ",".join(chunk)})
        try:
            assert set(chunk) <= set(inspection.policy().extra)
        except SettingsError as error:
            refused += [keyword for keyword in chunk if keyword in str(error)]

    assert len(keywords) > 300
    assert refused == (keywords if setting == "EXTRA_ATTRIBUTES" else [])


def test_extra_keywords_are_kept_and_may_make_tags(committed: Engine, configured: Configure) -> None:
    configured(EXTRA_ATTRIBUTES="EchoNumbers", IDENTIFYING_ATTRIBUTES="StationName", AUTO_TAGS="{StationName} {Format}")
    key = a_present(committed, dicom(StationName="EAST", EchoNumbers=2))

    inspect(key)

    with Session(committed) as session:
        image = images.get(session, row(committed, key).id)
        assert (image.attributes["StationName"], image.attributes["EchoNumbers"]) == ("EAST", 2)
        assert [tag.name for tag in image.tags] == ["EAST DICOM"]


def test_a_file_of_numbers_that_are_none_keeps_its_other_attributes(committed: Engine) -> None:
    volume = bytearray(nifti(np.zeros((5, 30, 40), np.int16)))
    struct.pack_into("<f", volume, 76 + 12, math.nan)
    key = a_present(committed, bytes(volume))

    inspect(key)

    assert row(committed, key).attributes["Rows"] == 30
    assert "SliceThickness" not in row(committed, key).attributes


def test_the_index_finds_what_waits(session: Session) -> None:
    plan = "\n".join(
        session.connection()
        .exec_driver_sql(
            "EXPLAIN SELECT id FROM images WHERE status = 'present' AND inspected_at IS NULL"
            f" AND inspections_asked < {MOST_INSPECTIONS_ASKED} ORDER BY id DESC LIMIT 10"
        )
        .scalars()
    )

    assert "images_uninspected" in plan
    assert table.overdue(session, 10, 10) == []
