"""Takes away what nobody can want back: images that were in the bin for long enough, uploads that nobody goes on with,
objects of no image. The one function that may delete objects."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from chalicelib.config import settings
from chalicelib.database import retention
from chalicelib.database.engine import chunk_transaction
from chalicelib.events.steps import each, slices
from chalicelib.services import purging
from chalicelib.telemetry import count, logger

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    Find = Callable[[Session], Sequence[int]]
    Act = Callable[[Session, int], bool]

SECONDS_A_STEP = 60
"""What is left then waits for the next run; four of them are below what Lambda gives this function."""

EXPIRED_COUNTED = 10_000
"""Images whose time in the bin is over are counted up to here, for the alarm."""

SLICES = 20
"""Of a thousand objects each."""

ORPHANS_A_RUN = 100
"""So that whoever connects the wrong database hears of it before it has cost the bucket much."""

ORPHANS_NAMED = 20


def purge() -> dict[str, int]:
    """Returns how many of what. Two runs at once do no harm, and the next run continues one that was broken off."""
    held_back = _is_held_back()
    done: dict[str, list[int]] = {"purged": [], "uploads_ended": [], "abandoned": []}
    try:
        for step, image_id in () if held_back else _by_age():
            done[step].append(image_id)
    finally:  # an image that is gone has its line, whatever fails afterwards
        counts = {step: len(image_ids) for step, image_ids in done.items()}
        if any(done.values()):
            logger.info("purged", image_ids=done["purged"], abandoned_image_ids=done["abandoned"], done=counts)
    return counts | _orphans(held_back)


def _is_held_back() -> bool:
    """Whether the clock has leapt within a day: a wrong clock is to delete nothing."""
    with chunk_transaction() as session:
        leapt = purging.clock_leapt(session)
        expired = retention.expired_count(session, settings().bin_days, EXPIRED_COUNTED)
    if expired:
        count("ImagesExpired", expired)
    if leapt:
        logger.error("nothing is purged for a day, because the clock of the database has leapt", expired=expired)
        count("ClockLeapt")
    return leapt


def _by_age() -> Iterator[tuple[str, int]]:
    """Yields what was done with which image; each step handles at most the limit of a run."""
    bin_days, abandoned_days, most = settings().bin_days, settings().abandoned_days, settings().purge_limit
    steps: dict[str, tuple[Find, Act]] = {
        "purged": (lambda session: retention.expired(session, bin_days, most), purging.purge),
        "uploads_ended": (lambda session: retention.vain_uploads(session, abandoned_days, most), purging.end_upload),
        "abandoned": (lambda session: retention.abandoned(session, abandoned_days, most), purging.abandon),
    }
    for step, (find, act) in steps.items():
        yield from ((step, image_id) for image_id in _all(find, act))


def _all(find: "Find", act: "Act") -> Iterator[int]:
    """Yields those of the images found with which it was done."""
    until = time.monotonic() + SECONDS_A_STEP
    with chunk_transaction() as session:
        found = find(session)
    yield from (image_id for image_id, done in each(found, act, until) if done)


def _orphans(held_back: bool) -> dict[str, int]:
    """Reported all, and removed those that are old; a slice of the bucket after the other."""
    found, removed, most = [], 0, 0 if held_back else ORPHANS_A_RUN
    with chunk_transaction() as session:
        end_of_grace = purging.end_of_grace(session)
    until = time.monotonic() + SECONDS_A_STEP
    for slice_ in slices("orphans", "", SLICES, until):
        found += [orphan.key for orphan in slice_.orphans]
        old = [orphan for orphan in slice_.orphans if orphan.modified_at < end_of_grace]
        for orphan, hidden in each(old[: most - removed], purging.hide_orphan, until):
            if hidden:
                removed += 1
                logger.warning("removed an object that no image has", object_key=orphan.key)
    if found:
        logger.warning("found objects that no image has", objects=len(found), object_keys=found[:ORPHANS_NAMED])
        count("OrphansFound", len(found))
    return {"orphans_found": len(found), "orphans_removed": removed}
