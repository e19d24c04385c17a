"""Does what requests have put off: old answers and the links of deleted tags go, counts are added up, popular tags
packed."""

import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.orm import Session

from chalicelib.database import first_answers, packing, scans, upkeep
from chalicelib.database.engine import chunk_transaction
from chalicelib.events.indexing import index_attributes
from chalicelib.telemetry import logger

SECONDS_A_RUN = 40
"""What is left then waits for the next run. Below what Lambda gives a function, by more than any chunk takes."""

LINKS_A_CHUNK = 5000
"""For so long, about a tenth of a second, nobody else can change their images."""

SHARES = {"answers": 0.15, "counts": 0.3, "links": 0.6, "packing": 0.8, "attributes": 1.0}
"""Of the time of a run: when each step, in this order, ends at the latest."""

TAGS_A_RUN = 100_000
TAGS_A_CHUNK = 500
"""Deleted ones. Those without a link go together, the others one by one."""

TAGS_LOOKED_AT = 100_000
"""A run, whether they have become popular."""

CHANGES_A_CHUNK = 50_000
ANSWERS_A_CHUNK = 5000

BEARABLE_CHANGES = 2000
"""So many changed images a search may look at one by one, about a microsecond each, before their blocks are packed
again; packing one takes tens of milliseconds."""

CHANGES_SAMPLED = 10_000


def tidy() -> None:
    """Two at once share the work. Each step ends at its share of the time, so that none waits for ever behind another
    that has too much to do; time that a step does not use is left to the next ones."""
    begun = time.monotonic()
    until = {step: begun + SECONDS_A_RUN * share for step, share in SHARES.items()}
    answers = _drop_answers(until["answers"])
    changes = _fold(until["counts"])
    tags, links = _purge_all(until["links"])
    blocks = _pack(until["packing"])
    index_attributes(until["attributes"])
    if answers or changes or tags or links or blocks:
        logger.info("tidied", answers=answers, changes=changes, tags=tags, links=links, blocks=blocks)


def _drop_answers(deadline: float) -> int:
    """Of requests with an Idempotency-Key, a day old."""
    dropped, last = 0, ANSWERS_A_CHUNK
    try:
        while last == ANSWERS_A_CHUNK and time.monotonic() < deadline:
            with chunk_transaction() as session:
                last = first_answers.drop_old(session, ANSWERS_A_CHUNK)
            dropped += last
    except Exception:  # noqa: BLE001 (they are not given again, wherever they are)
        logger.exception("old answers could not be dropped")
    return dropped


def _fold(deadline: float) -> int:
    try:
        return sum(sum(_folded(counted, deadline)) for counted in upkeep.COUNTED)
    except Exception:  # noqa: BLE001 (whatever is wrong with the counts, links are to go)
        logger.exception("counts could not be added up")
        return 0


def _folded(counted: upkeep.Counted, deadline: float) -> Iterator[int]:
    while time.monotonic() < deadline:
        with chunk_transaction() as session:
            changes = upkeep.fold_counts(session, counted, CHANGES_A_CHUNK)
        yield changes
        if changes < CHANGES_A_CHUNK:  # what has come meanwhile is for the next run
            return


def _purge_all(deadline: float) -> tuple[int, int]:
    """Returns how many deleted tags are gone, and how many links."""
    with chunk_transaction() as session:
        deleted = upkeep.deleted_tags(session, TAGS_A_RUN)
    gone, links = 0, 0
    for start in range(0, len(deleted), TAGS_A_CHUNK):
        if time.monotonic() >= deadline:
            break
        tag_ids = deleted[start : start + TAGS_A_CHUNK]
        unlinked = _gone(tag_ids)
        linked = [tag_id for tag_id in tag_ids if tag_id not in unlinked]
        links += sum(_purge(tag_id, deadline) for tag_id in linked)
        gone += len(unlinked) + (len(_gone(linked)) if linked else 0)
    return gone, links


def _gone(tag_ids: Sequence[int]) -> set[int]:
    try:
        with chunk_transaction() as session:
            return upkeep.purge_tags(session, tag_ids) if packing.is_alone(session) else set()
    except Exception:  # noqa: BLE001 (the next run tries again)
        logger.exception("deleted tags could not be purged", tag_ids=tag_ids)
        return set()


def _purge(tag_id: int, deadline: float) -> int:
    """Returns how many links of the tag are gone."""
    links = 0
    try:
        for chunk in _purged(tag_id, deadline):
            links += chunk
    except Exception:  # noqa: BLE001 (a tag that cannot be purged holds up no other)
        logger.exception("a tag could not be purged", tag_id=tag_id)
    return links


def _purged(tag_id: int, deadline: float) -> Iterator[int]:
    """Links by the chunk, each its own transaction."""
    after: int | None = 0
    while after is not None and time.monotonic() < deadline:
        with chunk_transaction() as session:
            links, after = upkeep.purge_links(session, tag_id, after, LINKS_A_CHUNK)
        yield links
    links = LINKS_A_CHUNK
    while links and time.monotonic() < deadline:
        with chunk_transaction() as session:
            links = upkeep.purge_binned_links(session, tag_id, LINKS_A_CHUNK)
        yield links


def _pack(deadline: float) -> int:
    """Blocks, each its own transaction."""
    blocks = 0
    try:
        _packed(_choose_tags)
        for step in (_pack_next, _pack_again, packing.pack_new_tags):
            while time.monotonic() < deadline and _packed(step):
                blocks += 1
    except Exception:  # noqa: BLE001 (searches do without)
        logger.exception("links could not be packed")
    return blocks


def _packed(step: Callable[[Session], bool]) -> bool:
    with chunk_transaction() as session:
        return packing.is_alone(session) and step(session)


def _choose_tags(session: Session) -> bool:
    """Looks at the next tags in turn, since there may be millions. Returns whether there are more."""
    after = int(scans.position(session, "tags to pack") or 0)
    last = packing.choose_tags(session, after, TAGS_LOOKED_AT)
    scans.remember(session, "tags to pack", None if last is None else str(last))
    return last is not None


def _pack_next(session: Session) -> bool:
    block = packing.next_block(session)
    if block is not None:
        packing.append(session, block)
    return block is not None


def _pack_again(session: Session) -> bool:
    many = packing.changes(session, BEARABLE_CHANGES + 1) > BEARABLE_CHANGES
    block = packing.most_changed_block(session, CHANGES_SAMPLED) if many else None
    if block is not None:
        packing.pack(session, block)
    return block is not None
