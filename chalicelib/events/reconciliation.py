"""Catches what the storage's events left out."""

import time

from chalicelib.aws import inspection_queue
from chalicelib.config import settings
from chalicelib.database import images, inspections
from chalicelib.database.engine import transaction
from chalicelib.services import uploads
from chalicelib.telemetry import count, logger

IMAGES_A_RUN = 1000
INSPECTION_MINUTES = 10
"""An image that still waits then was lost on its way to the inspection, or failed there."""


def reconcile() -> int:
    """Marks those of the newest waiting images present whose file is there after all; the number of them."""
    with transaction() as session:
        waiting = images.waiting_keys(session, IMAGES_A_RUN)
        long_ago = int(time.time()) - 2 * settings().upload_url_seconds
        count("ImagesPendingLong", images.pending_since_before(session, long_ago))
    healed = sum(_healed(object_key) for object_key in waiting)
    if healed:
        logger.warning("healed images whose storage event was lost or late", images=healed)
    _ask_for_inspections()
    return healed


def _ask_for_inspections() -> None:
    if not settings().inspection_queue:
        return
    with transaction() as session:
        overdue = inspections.overdue(session, INSPECTION_MINUTES, IMAGES_A_RUN)
        inspection_queue.send_all(overdue)
    if overdue:
        logger.warning("asked again for inspections that were lost or late", images=len(overdue))


def _healed(object_key: str) -> bool:
    try:
        with transaction() as session:
            return uploads.heal(session, object_key)
    except Exception:  # noqa: BLE001 (one that cannot be looked at holds up no other)
        logger.exception("an image could not be reconciled", object_key=object_key)
        return False
