"""Catches what the storage's events left out: files that came, and files that went."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.aws import inspection_queue
from chalicelib.config import settings
from chalicelib.database import images, inspections, scans
from chalicelib.database.engine import chunk_transaction, transaction
from chalicelib.database.scans import WaitingImage
from chalicelib.database.tables import Status
from chalicelib.events.steps import each, slices, stop
from chalicelib.events.verification import concluded, give_up
from chalicelib.services import uploads, verification
from chalicelib.telemetry import count, logger

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from chalicelib.services.verification import Claim

    Looked = tuple[str, str | Claim | None]

SECONDS_A_STEP = 10
"""What is left then waits for the next run."""

SECONDS_A_SLICE = 120
"""For what differs in one; few do, unless something terrible has happened to the bucket."""

SECONDS_A_RUN = 880
"""Reading files included, which comes last; below the 15 minutes that Lambda gives."""

NEWEST_IMAGES = 1000
OLDER_IMAGES = 500
PENDING_COUNTED = 10_000
SLICES = 20
"""Of a thousand objects each; once of the newest and once of all."""

VANISHED_A_RUN = 200
"""So that whoever connects the wrong bucket hears of it before many images are `missing`."""

NO_IMAGE_YET = 2**63 - 1

HEALED = {Status.PRESENT, Status.MISSING, Status.REJECTED}

HEALED_A_LINE = 1000
"""A line of the log holds the ids of no more images."""

INSPECTIONS_A_RUN = 1000
INSPECTION_MINUTES = 10
"""An image that still waits then was lost on its way to the inspection, or failed there."""


def reconcile() -> dict[str, int]:
    """How many images became what. Each run looks at the newest, and at the next of the others in turn: what it costs
    does not grow with the bucket."""
    end = time.monotonic() + SECONDS_A_RUN
    looked = [*_waiting(), *_compared()]
    try:
        _ask_for_inspections()
    finally:
        healed = _healed(looked, end)
    return healed


def _healed(looked: "Sequence[Looked]", end: float) -> dict[str, int]:
    due = dict.fromkeys(key for key, outcome in looked if outcome == verification.DUE)
    healed = [(key, str(outcome)) for key, outcome in (*looked, *_verified(due, end)) if outcome in HEALED]
    for start in range(0, len(healed), HEALED_A_LINE):
        _log_healed(dict(healed[start : start + HEALED_A_LINE]))
    if healed:
        count("ImagesHealed", len(healed))
    return dict(Counter(became for _, became in healed))


def _log_healed(became: dict[str, str]) -> None:
    """By object key. The line names the images by their ids."""
    with chunk_transaction() as session:
        image_ids = images.ids_of(session, became)
    logger.warning(
        "healed images whose storage event was lost or late",
        images=len(became),
        became=dict(Counter(became.values())),
        image_ids=image_ids,
    )


def _waiting() -> "Iterator[Looked]":
    until = time.monotonic() + SECONDS_A_STEP
    with chunk_transaction() as session:
        newest = scans.waiting(session, NO_IMAGE_YET, NEWEST_IMAGES)
        long_ago = int(time.time()) - 2 * settings().upload_url_seconds
        count("ImagesPendingLong", images.pending_since_before(session, long_ago, PENDING_COUNTED))
    yield from ((image.object_key, outcome) for image, outcome in each(newest, _heal, until))
    if len(newest) == NEWEST_IMAGES:
        yield from _waiting_longer(newest[-1].id)


def _waiting_longer(newest: int) -> "Iterator[Looked]":
    """Of the older ones the next."""
    until = time.monotonic() + SECONDS_A_STEP
    with chunk_transaction() as session:
        before = min(int(scans.position(session, "waiting") or newest), newest)
        older = scans.waiting(session, before, OLDER_IMAGES)
    looked = list(each(older, _heal, until))
    is_last = len(looked) == len(older) < OLDER_IMAGES
    with transaction() as session:
        scans.remember(session, "waiting", None if is_last or not looked else str(looked[-1][0].id))
    yield from ((image.object_key, outcome) for image, outcome in looked)


def _heal(session: "Session", image: WaitingImage) -> "str | Claim | None":
    return uploads.heal(session, image.object_key)


def _compared() -> "Iterator[Looked]":
    """With the bucket: the last days', and the next of all."""
    vanished: set[str] = set()
    left = VANISHED_A_RUN
    yesterday = f"images/{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}/"
    for scan, start in (("new objects", yesterday), ("objects", "")):
        for found in slices(scan, start, SLICES, time.monotonic() + SECONDS_A_STEP):
            until = time.monotonic() + SECONDS_A_SLICE
            looked = list(each(found.differing(left), uploads.look_again, until))
            yield from looked
            handled = [key for key, _ in looked]
            vanished.update(found.vanished)
            left -= len(set(found.vanished).intersection(handled))
            if len(handled) < len(found.differing(len(found.vanished))):
                stop(scan, handled)
                break
    if vanished:
        count("ObjectsVanished", len(vanished))


def _verified(keys: "Iterable[str]", end: float) -> Iterator[tuple[str, str | None]]:
    """Yields each key with its outcome. Each is claimed when its turn has come: a claim does not last for the files
    before it."""
    for key in keys:
        try:
            with transaction() as session:
                outcome = uploads.look_again(session, key, to_read=True)
            if outcome is None or isinstance(outcome, str):
                yield key, outcome
            elif time.monotonic() + outcome.seconds < end:
                yield key, concluded(outcome, end)
            else:
                give_up(outcome)
                logger.warning("no time was left to verify a file", object_key=key)
        except Exception:  # noqa: BLE001 (one that cannot be read holds up no other)
            logger.exception("a file could not be verified", object_key=key)


def _ask_for_inspections() -> None:
    if not settings().inspection_queue:
        return
    with chunk_transaction() as session:
        overdue = inspections.overdue(session, INSPECTION_MINUTES, INSPECTIONS_A_RUN)
        inspection_queue.send_all([inspection_queue.Inspection(*each) for each in overdue])
    if overdue:
        logger.warning("asked again for inspections that were lost or late", images=len(overdue))
