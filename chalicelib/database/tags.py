"""Tags and their links to images."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from psycopg2 import errorcodes
from sqlalchemy import BigInteger, ColumnElement, Select, Table, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from chalicelib.database.engine import keep_plans, timed_out
from chalicelib.database.pages import Page, Window, page
from chalicelib.database.tables import Image, Tag, binned_image_tags, image_tags, tag_count_changes
from chalicelib.errors import TooCostly

LIVE = Tag.deleted_at.is_(None)

NAMES_LOCK = 7_161_002
"""Who creates tags shares this advisory lock, who renames one has it alone: two who each wait for a name that the other
gives up or takes would be a deadlock."""


class CountedTag(NamedTuple):
    id: int
    name: str
    image_count: int
    """Images with this tag that are not in the bin, uploaded or not."""


def fold(text: str) -> str:
    """Case folded by Unicode's rules, the same on every database and locale."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def like(pattern: str) -> str:
    r"""The LIKE pattern over `folded`: `%` is any characters, `\%` a percent sign, all else, `_` too, itself."""
    return re.sub(r"\\%|[\\_]", lambda special: special[0] if special[0] == r"\%" else "\\" + special[0], fold(pattern))


def find(session: Session, match: str | None, window: Window) -> Page[CountedTag]:
    """Alphabetically, by code point."""
    rows = _chosen().order_by(Tag.name)
    if match is not None:
        rows = rows.where(Tag.folded.like(like(match)))
    return page(session, rows, window, lambda chosen: _counted(session, chosen), lambda key: Tag.name > key)


def exists(session: Session, tag_id: int) -> bool:
    return session.scalar(select(Tag.id).where(Tag.id == tag_id, LIVE)) is not None


def get_counted(session: Session, tag_id: int) -> CountedTag | None:
    return next(iter(_counted(session, _chosen(Tag.id == tag_id))), None)


def _chosen(*conditions: ColumnElement[bool]) -> Select[int, str, int]:
    return select(Tag.id, Tag.name, Tag.image_count).where(LIVE, *conditions)


def _counted(session: Session, chosen: Select[*tuple[Any, ...]]) -> Sequence[CountedTag]:
    tags = chosen.subquery()
    changes = select(func.sum(tag_count_changes.c.change)).where(tag_count_changes.c.tag_id == tags.c.id)
    count = tags.c.image_count + cast(func.coalesce(changes.scalar_subquery(), 0), BigInteger)
    rows = session.execute(select(tags.c.id, tags.c.name, count).order_by(tags.c.name))
    return [CountedTag(*row) for row in rows]


def lock(session: Session, tag_ids: Collection[int]) -> set[int]:
    """Those of the tags that exist; nobody else renames, merges or deletes them until the transaction ends. Images may
    take them and lose them all the same: on a hot tag one would wait long for a moment when none does."""
    chosen = select(Tag.id).where(Tag.id.in_(tag_ids), LIVE).order_by(Tag.id)
    return set(session.scalars(chosen.with_for_update(key_share=True)))


def id_of(session: Session, name: str) -> int | None:
    return session.scalar(select(Tag.id).where(Tag.name == name, LIVE))


def hold(session: Session, names: Collection[str]) -> dict[str, int]:
    """The ids of those of the names that exist; none of the tags is merged until the transaction ends."""
    # KEY SHARE waits for a merge under way and keeps off later ones, yet many may hold it on one hot tag.
    if not names:
        return {}
    chosen = select(Tag.name, Tag.id).where(Tag.name.in_(names), LIVE).order_by(Tag.id)
    rows = session.execute(chosen.with_for_update(read=True, key_share=True))
    return {name: tag_id for name, tag_id in rows}  # noqa: C416 (a row is no pair to mypy)


def ensure(session: Session, names: Iterable[str]) -> dict[str, int]:
    """As `hold` does; names that are missing are made."""
    wanted = set(names)
    while True:
        found = hold(session, wanted)
        missing = wanted - found.keys()
        if not missing:
            return found
        with session.begin_nested() as attempt:
            made = create(session, missing)
            if made.keys() == missing:
                return found | made
            # Who made some names and then asks for others could meet another who does it the other way round.
            attempt.rollback()


def create(session: Session, names: Iterable[str]) -> dict[str, int]:
    """The ids of the names that are new; those that exist are left alone. Sorted, so that two creators never
    deadlock."""
    session.execute(select(func.pg_advisory_xact_lock_shared(NAMES_LOCK)))
    rows = [{"name": name, "folded": fold(name)} for name in sorted(names)]
    made = session.execute(insert(Tag).values(rows).on_conflict_do_nothing().returning(Tag.name, Tag.id))
    return {name: tag_id for name, tag_id in made}  # noqa: C416 (a row is no pair to mypy)


def rename(session: Session, tag_id: int, name: str) -> bool:
    """False when another tag has the name; a savepoint keeps the transaction usable then."""
    session.execute(select(func.pg_advisory_xact_lock(NAMES_LOCK)))
    try:
        with session.begin_nested():
            session.execute(update(Tag).where(Tag.id == tag_id).values(name=name, folded=fold(name)))
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.UNIQUE_VIOLATION:
            return False
        raise
    return True


def remove(session: Session, tag_id: int) -> None:
    """The caller has locked it. Its name is free; its links, and those that someone is just making, are nobody's and
    wait to be purged."""
    session.execute(update(Tag).where(Tag.id == tag_id).values(deleted_at=func.now()))


def merge(session: Session, source_id: int, target_id: int) -> int:
    """Every link of the one becomes a link of the other, once, in the bin too; the one is gone. The number of images
    that got the other. The caller has locked both. Raises TooCostly."""
    try:
        _keep_still(session, source_id)
        keep_plans(session)
        images = sum(_copy_links(session, links, source_id, target_id) for links in (image_tags, binned_image_tags))
    except OperationalError as error:
        if timed_out(error):
            raise TooCostly(
                f"Tag {source_id} is on too many images, or in too much use just now, to be merged in one request."
                " Nothing has changed."
            ) from error
        raise
    remove(session, source_id)
    return images


def _keep_still(session: Session, tag_id: int) -> None:
    """Waits until nobody holds the tag, and lets nobody hold it until the transaction ends."""
    session.execute(select(Tag.id).where(Tag.id == tag_id).with_for_update())


def _copy_links(session: Session, links: Table, source_id: int, target_id: int) -> int:
    # In the order of the index: a million links in any other take longer, and two merges could deadlock.
    copies = select(links.c.image_id, literal(target_id)).where(links.c.tag_id == source_id).order_by(links.c.image_id)
    if links is binned_image_tags:  # an image that is being purged is waited for, and passed over once it is gone
        held = copies.join(Image, Image.id == links.c.image_id)
        copies = held.with_for_update(read=True, key_share=True, of=Image)
    made = session.connection().execute(
        insert(links).from_select(["image_id", "tag_id"], copies).on_conflict_do_nothing()
    )
    return made.rowcount


def link(session: Session, image_id: int, tag_ids: Collection[int]) -> None:
    """The tags have to be held."""
    if tag_ids:
        rows = [{"image_id": image_id, "tag_id": tag_id} for tag_id in sorted(tag_ids)]
        session.execute(insert(image_tags).values(rows).on_conflict_do_nothing())


def unlink(session: Session, image_id: int, tag_ids: Collection[int]) -> None:
    """The tags have to be held: a merge would find the link that goes, and copy it."""
    if tag_ids:
        chosen = image_tags.c.tag_id.in_(tag_ids)
        session.execute(delete(image_tags).where(image_tags.c.image_id == image_id, chosen))


def hold_linked(session: Session, image_id: int, links: Table = image_tags) -> set[int]:
    """The tags of the image, whose row the caller has locked; none of them is merged until the transaction ends. One
    that is being merged just now is waited for, and then the image has the other: hence the second look."""
    tags = _linked(image_id, links)
    while True:
        held = set(session.scalars(tags.with_for_update(read=True, key_share=True, of=Tag)))
        if held == set(session.scalars(tags)):
            return held


def linked(session: Session, image_id: int) -> set[int]:
    return set(session.scalars(_linked(image_id, image_tags)))


def _linked(image_id: int, links: Table) -> Select[int]:
    tags = select(Tag.id).join(links, links.c.tag_id == Tag.id)
    return tags.where(links.c.image_id == image_id, LIVE).order_by(Tag.id)


def bin_links(session: Session, image_id: int) -> None:
    """Those of deleted tags as well, so that no link of a binned image is left for a search to find."""
    hold_linked(session, image_id)
    _move_links(session, image_tags, binned_image_tags, image_tags.c.image_id == image_id)


def restore_links(session: Session, image_id: int) -> None:
    held = hold_linked(session, image_id, binned_image_tags)
    own = binned_image_tags.c.image_id == image_id
    _move_links(session, binned_image_tags, image_tags, own & binned_image_tags.c.tag_id.in_(held))


def _move_links(session: Session, origin: Table, destination: Table, chosen: ColumnElement[bool]) -> None:
    taken = delete(origin).where(chosen).returning(origin.c.image_id, origin.c.tag_id).cte("taken")
    moved = select(taken.c.image_id, taken.c.tag_id)
    session.execute(insert(destination).from_select(["image_id", "tag_id"], moved).on_conflict_do_nothing())
