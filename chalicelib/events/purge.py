"""Takes away what nobody can want back: images that were in the bin for long enough, uploads that nobody goes on with,
objects of no image. The one function that may delete objects."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.config import settings
from chalicelib.database import retention
from chalicelib.database.engine import chunk_transaction
from chalicelib.events.steps import each, slices
from chalicelib.services import purging
from chalicelib.telemetry import count, logger

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SECONDS_A_STEP = 60
"""What is left then waits for the next run; four of them are below what Lambda gives this function."""

IMAGES_A_STEP = 2000
SLICES = 20
"""Of a thousand objects each."""

ORPHANS_A_RUN = 100
"""So that whoever connects the wrong database hears of it before it has cost the bucket much."""

ORPHANS_NAMED = 20


def purge() -> dict[str, int]:
    """How many of what. Two at once do no harm, and one that was broken off is gone on with by the next."""
    bin_days, abandoned_days = settings().bin_days, settings().abandoned_days
    purged = _all(lambda session: retention.expired(session, bin_days, IMAGES_A_STEP), purging.purge)
    ended = _all(lambda session: retention.vain_uploads(session, abandoned_days, IMAGES_A_STEP), purging.end_upload)
    abandoned = _all(lambda session: retention.abandoned(session, abandoned_days, IMAGES_A_STEP), purging.abandon)
    orphans = _orphans()
    done = {"purged": len(purged), "uploads_ended": len(ended), "abandoned": len(abandoned), **orphans}
    if any(done.values()):
        logger.info("purged", image_ids=purged, abandoned_image_ids=abandoned, done=done)
    return done


def _all(find: "Callable[[Session], Sequence[int]]", act: "Callable[[Session, int], bool]") -> list[int]:
    """Of the images found those with which it was done."""
    until = time.monotonic() + SECONDS_A_STEP
    with chunk_transaction() as session:
        found = find(session)
    return [image_id for image_id, done in each(found, act, until) if done]


def _orphans() -> dict[str, int]:
    """Reported all, and removed those that are old; a slice of the bucket after the other."""
    found, removed = [], 0
    until = time.monotonic() + SECONDS_A_STEP
    for slice_ in slices("orphans", "", SLICES, until):
        found += [orphan.key for orphan in slice_.orphans]
        old = [orphan for orphan in slice_.orphans if purging.is_past_grace(orphan)]
        for orphan, hidden in each(old[: ORPHANS_A_RUN - removed], purging.hide_orphan, until):
            if hidden:
                removed += 1
                logger.warning("removed an object that no image has", object_key=orphan.key)
    if found:
        logger.warning("found objects that no image has", objects=len(found), object_keys=found[:ORPHANS_NAMED])
        count("OrphansFound", len(found))
    return {"orphans_found": len(found), "orphans_removed": removed}
