"""Catches what the storage's events left out."""

import time

from chalicelib.database import images
from chalicelib.database.engine import transaction
from chalicelib.services import uploads
from chalicelib.telemetry import logger

LOOK_BACK_SECONDS = 7 * 24 * 3600
SLICE = 100


def reconcile() -> int:
    """Marks pending images of the last days present whose file is there after all; the number of them."""
    healed, last_id = 0, 0
    since = int(time.time()) - LOOK_BACK_SECONDS
    while True:
        with transaction() as session:
            pending = images.pending_since(session, since, last_id, SLICE)
        for image_id, object_key in pending:
            with transaction() as session:
                healed += uploads.heal(session, image_id, object_key)
            last_id = image_id
        if len(pending) < SLICE:
            break
    if healed:
        logger.warning("healed images whose storage event was lost or late", images=healed)
    return healed
