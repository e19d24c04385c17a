"""S3's events about the image bucket."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.database.engine import transaction
from chalicelib.events.verification import concluded
from chalicelib.services import uploads
from chalicelib.telemetry import begin, logger


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


def _event(record: Mapping[str, Any]) -> "uploads.StorageEvent":
    described = record["s3"]["object"]
    key, sequencer = unquote_plus(described["key"]), described["sequencer"]
    return uploads.StorageEvent(key, sequencer)
