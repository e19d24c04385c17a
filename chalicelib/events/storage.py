"""S3's events about the image bucket."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.aws import contents, inspection_queue
from chalicelib.config import settings
from chalicelib.database import inspections
from chalicelib.database.engine import transaction
from chalicelib.database.inspections import Uninspected
from chalicelib.database.tables import Status
from chalicelib.events.verification import concluded
from chalicelib.imaging.kinds import HEAD_BYTES, kind_of, refusal
from chalicelib.services import inspections as verdicts
from chalicelib.services import uploads
from chalicelib.services.inspections import Verdict
from chalicelib.telemetry import begin, logger

UNKNOWN_SECONDS = 2
"""After which a key that nobody knew yet may have its row."""


class RecordsFailedError(Exception):
    """Some records could not be taken in; the event is to be delivered again, and in the end to the dead letters."""


def take_in(records: Sequence[Mapping[str, Any]]) -> None:
    """Each record for itself, so that a bad one holds up no other; taking one in twice does no harm."""
    failed = [record for record in records if not _taken_in(record)]
    if failed:
        raise RecordsFailedError(f"{len(failed)} of {len(records)} storage records failed.")


def _taken_in(record: Mapping[str, Any]) -> bool:
    touched = begin()
    try:
        event = _event(record)
        with transaction() as session:
            outcome = uploads.take_in(session, event)
        outcome = concluded(outcome)
        if _reject_or_queue(event.object_key, may_be_early=outcome == "unknown" and _is_arrival(record)):
            outcome = Status.REJECTED
    except Exception:  # noqa: BLE001 (whatever is wrong with this record, the others are to go on)
        logger.exception("storage record failed", storage_record=record)
        return False
    logger.info(
        "storage record",
        outcome=outcome,
        event=record["eventName"],
        image_ids=list(touched.image_ids),
        object_key=event.object_key,
        sequencer=event.sequencer,
    )
    return True


def _reject_or_queue(object_key: str, *, may_be_early: bool) -> bool:
    """Rejects the file, or requests its inspection if it needs one; returns whether the file was rejected. Does the
    same when the event comes again, because the message could not be sent. An unknown key may be that of a one-shot
    upload, whose row is committed just after its file."""
    with transaction() as session:
        waiting = inspections.waiting(session, object_key)
    if waiting is None:
        if may_be_early:
            inspection_queue.send(inspection_queue.Inspection(object_key), after_seconds=UNKNOWN_SECONDS)
        return False
    if _reject_unless_image(waiting):
        return True
    inspection_queue.send(inspection_queue.Inspection(object_key, waiting.created_by))
    return False


def _reject_unless_image(image: Uninspected) -> bool:
    """Rejects a file whose first bytes are of no kind of image; returns whether it did. This needs no decoder and does
    not wait for the queue of inspections, so a file that is no image is downloadable for a moment only, however long
    the queue is."""
    if not settings().inspection_queue or not settings().reject_unknown_files:
        return False
    head = contents.read(image.object_key, 0, HEAD_BYTES)
    if not head or kind_of(head) is not None:
        return False
    with transaction() as session:
        return verdicts.settle(session, image, Verdict(rejection=refusal(head))) == Status.REJECTED


def _is_arrival(record: Mapping[str, Any]) -> bool:
    name: str = record["eventName"]
    return name.startswith("ObjectCreated:")


def _event(record: Mapping[str, Any]) -> "uploads.StorageEvent":
    described = record["s3"]["object"]
    key, sequencer = unquote_plus(described["key"]), described["sequencer"]
    return uploads.StorageEvent(key, sequencer)
