"""Keeps the index of attributes as the setting says: what a new keyword has on older images comes in, what is no longer
asked for goes."""

import time
from collections import Counter

from chalicelib.config import settings
from chalicelib.database import attributes
from chalicelib.database.engine import chunk_transaction, transaction
from chalicelib.telemetry import count, logger

IMAGES_A_CHUNK = 2000
"""For so long, a second at most, nobody else can change them."""

LINKS_A_CHUNK = 5000

QUIET_SECONDS = 30
"""So long after a keyword was given up, no search uses its hidden tags."""


def index_attributes(deadline: float) -> None:
    """Two at once share the work."""
    try:
        with transaction() as session:
            attributes.settle(session, settings().indexed_attributes)
        with transaction() as session:
            attributes.let_begin(session)
        _fill_in(deadline)
        _remove(deadline)
    except Exception:  # noqa: BLE001 (searches do without; the next run tries again)
        logger.exception("attributes could not be indexed")


def _fill_in(deadline: float) -> None:
    images: Counter[str] = Counter()
    position = None
    while time.monotonic() < deadline:
        with chunk_transaction() as session:
            backfill = attributes.next_backfill(session)
            if backfill is None:
                break
            attributes.in_the_background(session)
            chunk = attributes.fill_in(session, backfill, IMAGES_A_CHUNK)
        images.update(dict.fromkeys(backfill.keywords, chunk.images))
        position = chunk.position
        if position == backfill.position:  # someone is changing the next image
            break
    if position is not None:
        _report(images, position)


def _report(images: Counter[str], position: int) -> None:
    with chunk_transaction() as session:
        done, failures = attributes.share_done(session, position), attributes.failures(session, images)
    logger.info("attributes indexed", images=images, done=done, failures=failures)
    count("ImagesIndexed", max(images.values()))


def _remove(deadline: float) -> None:
    with transaction() as session:
        removed = attributes.removed(session, QUIET_SECONDS)
    for keyword in removed:
        more = True
        while more and time.monotonic() < deadline:
            with chunk_transaction() as session:
                attributes.in_the_background(session)
                more = attributes.remove_some(session, keyword, LINKS_A_CHUNK)
