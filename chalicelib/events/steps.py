"""Much work in small steps, each its own transaction: one that fails holds up no other, and time ends it."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy.orm import Session

from chalicelib.database import scans
from chalicelib.database.engine import chunk_transaction, transaction
from chalicelib.services import inventory
from chalicelib.services.inventory import Slice
from chalicelib.telemetry import logger

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def each(
    items: Iterable[Item], act: Callable[[Session, Item], Outcome], until: float
) -> Iterator[tuple[Item, Outcome | None]]:
    """Each item with what came of it, None if it failed; `until` is on the clock of time.monotonic()."""
    for item in items:
        if time.monotonic() >= until:
            return
        yield item, _done(act, item)


def _done(act: Callable[[Session, Item], Outcome], item: Item) -> Outcome | None:
    try:
        with transaction() as session:
            return act(session, item)
    except Exception:  # noqa: BLE001 (whatever is wrong with this one)
        logger.exception("a step failed", step=act.__name__, of=item)
        return None


def slices(scan: str, start: str, most: int, until: float) -> Iterator[Slice]:
    """The next of the bucket, beginning again at `start` after the last. Where a scan has come to is remembered
    when the slice has been dealt with; who stops amid one says where, by `stop`."""
    for _ in range(most):
        if time.monotonic() >= until:
            return
        with chunk_transaction() as session:
            after = scans.position(session, scan) or start
            found = inventory.compared(session, max(after, start))
        yield found
        with transaction() as session:
            scans.remember(session, scan, found.end)
        if found.end is None:
            return


def stop(scan: str, handled: Sequence[str]) -> None:
    """Behind the last of these keys the scan goes on the next time; if there is none, where it was."""
    if handled:
        with transaction() as session:
            scans.remember(session, scan, handled[-1])
