"""Does what requests have put off: old answers and the links of deleted tags go, counts are added up, popular tags
packed."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from chalicelib.database import first_answers, packing, upkeep
from chalicelib.database.engine import transaction
from chalicelib.events.indexing import index_attributes
from chalicelib.telemetry import logger

SECONDS_A_RUN = 40
"""What is left then waits for the next run. Below what Lambda gives a function, by more than any chunk takes."""

LINKS_A_CHUNK = 5000
"""For so long, about a tenth of a second, nobody else can change their images."""

CHANGES_A_CHUNK = 50_000
ANSWERS_A_CHUNK = 5000

BEARABLE_CHANGES = 2000
"""So many changed images a search may look at one by one, about a microsecond each, before their blocks are packed
again; packing one takes tens of milliseconds."""


def tidy() -> None:
    """Two at once share the work."""
    deadline = time.monotonic() + SECONDS_A_RUN
    answers = _drop_answers(deadline)
    changes = _fold(deadline)
    with transaction() as session:
        deleted = upkeep.deleted_tags(session)
    purges = [_purge(tag_id, deadline) for tag_id in deleted]
    blocks = _pack(deadline)
    index_attributes(deadline)
    if answers or changes or deleted or blocks:
        gone, links = (sum(each) for each in zip(*purges, strict=True)) if purges else (0, 0)
        logger.info("tidied", answers=answers, changes=changes, tags=gone, links=links, blocks=blocks)


def _drop_answers(deadline: float) -> int:
    """Of requests with an Idempotency-Key, a day old."""
    dropped, last = 0, ANSWERS_A_CHUNK
    try:
        while last == ANSWERS_A_CHUNK and time.monotonic() < deadline:
            with transaction() as session:
                last = first_answers.drop_old(session, ANSWERS_A_CHUNK)
            dropped += last
    except Exception:  # noqa: BLE001 (they are not given again, wherever they are)
        logger.exception("old answers could not be dropped")
    return dropped


def _fold(deadline: float) -> int:
    try:
        with transaction() as session:
            upkeep.drop_counts_of_no_tag(session)
        return sum(sum(_folded(counted, deadline)) for counted in upkeep.COUNTED)
    except Exception:  # noqa: BLE001 (whatever is wrong with the counts, links are to go)
        logger.exception("counts could not be added up")
        return 0


def _folded(counted: upkeep.Counted, deadline: float) -> Iterator[int]:
    while time.monotonic() < deadline:
        with transaction() as session:
            changes = upkeep.fold_counts(session, counted, CHANGES_A_CHUNK)
        yield changes
        if changes < CHANGES_A_CHUNK:  # what has come meanwhile is for the next run
            return


def _purge(tag_id: int, deadline: float) -> tuple[bool, int]:
    """Whether the tag is gone, and how many links are."""
    links = 0
    try:
        for chunk in _purged(tag_id, deadline):
            links += chunk
        with transaction() as session:
            return packing.is_alone(session) and upkeep.purge_tag(session, tag_id), links
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


def _pack(deadline: float) -> int:
    """Blocks, each its own transaction."""
    blocks = 0
    try:
        for step in (_pack_next, _pack_again, packing.pack_new_tags):
            while time.monotonic() < deadline and _packed(step):
                blocks += 1
    except Exception:  # noqa: BLE001 (searches do without)
        logger.exception("links could not be packed")
    return blocks


def _packed(step: Callable[[Session], bool]) -> bool:
    with transaction() as session:
        return packing.is_alone(session) and step(session)


def _pack_next(session: Session) -> bool:
    packing.choose_tags(session)
    return _pack_block(session, packing.next_block(session))


def _pack_again(session: Session) -> bool:
    many = packing.changes(session) > BEARABLE_CHANGES
    return _pack_block(session, packing.most_changed_block(session) if many else None)


def _pack_block(session: Session, block: packing.Block | None) -> bool:
    if block is not None:
        packing.pack(session, block)
    return block is not None
