"""Does what changes of tags have put off: the links of deleted tags go, and the counts are added up."""

import time
from collections.abc import Iterator

from chalicelib.database import upkeep
from chalicelib.database.engine import transaction
from chalicelib.telemetry import logger

SECONDS_A_RUN = 40
"""What is left then waits for the next run. Below what Lambda gives a function, by more than any chunk takes."""

LINKS_A_CHUNK = 5000
"""For so long, about a tenth of a second, nobody else can change their images."""

CHANGES_A_CHUNK = 50_000


def tidy() -> None:
    """Two at once share the work."""
    deadline = time.monotonic() + SECONDS_A_RUN
    changes = _fold(deadline)
    with transaction() as session:
        deleted = upkeep.deleted_tags(session)
    purges = [_purge(tag_id, deadline) for tag_id in deleted]
    if changes or deleted:
        logger.info("tidied", changes=changes, tags=sum(gone for gone, _ in purges), links=sum(n for _, n in purges))


def _fold(deadline: float) -> int:
    try:
        with transaction() as session:
            upkeep.drop_counts_of_no_tag(session)
        return sum(_folded(deadline))
    except Exception:  # noqa: BLE001 (whatever is wrong with the counts, links are to go)
        logger.exception("counts could not be added up")
        return 0


def _folded(deadline: float) -> Iterator[int]:
    while time.monotonic() < deadline:
        with transaction() as session:
            changes = upkeep.fold_counts(session, CHANGES_A_CHUNK)
        yield changes
        if not changes:
            return


def _purge(tag_id: int, deadline: float) -> tuple[bool, int]:
    """Whether the tag is gone, and how many links are."""
    links = 0
    try:
        for chunk in _purged(tag_id, deadline):
            links += chunk
        with transaction() as session:
            return upkeep.purge_tag(session, tag_id), links
    except Exception:  # noqa: BLE001 (a tag that cannot be purged holds up no other)
        logger.exception("a tag could not be purged", tag_id=tag_id)
        return False, links


def _purged(tag_id: int, deadline: float) -> Iterator[int]:
    """Links by the chunk, each its own transaction."""
    after: int | None = 0
    while after is not None and time.monotonic() < deadline:
        with transaction() as session:
            links, after = upkeep.purge_links(session, tag_id, after, LINKS_A_CHUNK)
        yield links
    links = LINKS_A_CHUNK
    while links and time.monotonic() < deadline:
        with transaction() as session:
            links = upkeep.purge_binned_links(session, tag_id, LINKS_A_CHUNK)
        yield links
