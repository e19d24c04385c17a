"""Tags and their links to images."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from psycopg2 import errorcodes
from sqlalchemy import Select, Table, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chalicelib.database.pages import Page, Window, page
from chalicelib.database.tables import Tag, binned_image_tags, image_tags


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
    rows = select(Tag.id, Tag.name).order_by(Tag.name)
    if match is not None:
        rows = rows.where(Tag.folded.like(like(match)))
    return page(session, rows, window, lambda chosen: _counted(session, chosen), lambda key: Tag.name > key)


def exists(session: Session, tag_id: int) -> bool:
    return session.scalar(select(Tag.id).where(Tag.id == tag_id)) is not None


def get_counted(session: Session, tag_id: int) -> CountedTag | None:
    return next(iter(_counted(session, select(Tag.id, Tag.name).where(Tag.id == tag_id))), None)


def _counted(session: Session, chosen: Select[*tuple[Any, ...]]) -> Sequence[CountedTag]:
    tags = chosen.subquery()
    images = select(func.count()).where(image_tags.c.tag_id == tags.c.id).scalar_subquery()
    rows = session.execute(select(tags.c.id, tags.c.name, images).order_by(tags.c.name))
    return [CountedTag(*row) for row in rows]


def lock(session: Session, tag_ids: Collection[int]) -> set[int]:
    """Those of the tags that exist, kept from change and deletion until the transaction ends."""
    return set(session.scalars(select(Tag.id).where(Tag.id.in_(tag_ids)).order_by(Tag.id).with_for_update()))


def id_of(session: Session, name: str) -> int | None:
    return session.scalar(select(Tag.id).where(Tag.name == name))


def ensure(session: Session, names: Iterable[str]) -> dict[str, int]:
    """The id of each name, made where it is missing; none of the tags can be deleted until the transaction ends."""
    wanted = set(names)
    found = _held(session, wanted)
    while missing := wanted - found.keys():
        create(session, missing)
        found = _held(session, wanted)
    return found


def create(session: Session, names: Iterable[str]) -> set[str]:
    """The names that are new; those that exist are left alone. Sorted, so that two creators never deadlock."""
    rows = [{"name": name, "folded": fold(name)} for name in sorted(names)]
    return set(session.scalars(insert(Tag).values(rows).on_conflict_do_nothing().returning(Tag.name)))


def _held(session: Session, names: Collection[str]) -> dict[str, int]:
    # KEY SHARE waits for a deletion under way and keeps off later ones, yet many may hold it on one hot tag.
    if not names:
        return {}
    rows = session.execute(
        select(Tag.name, Tag.id).where(Tag.name.in_(names)).order_by(Tag.id).with_for_update(read=True, key_share=True)
    )
    return {name: tag_id for name, tag_id in rows}  # noqa: C416 (a row is no pair to mypy)


def rename(session: Session, tag_id: int, name: str) -> bool:
    """False when another tag has the name; a savepoint keeps the transaction usable then."""
    try:
        with session.begin_nested():
            session.execute(update(Tag).where(Tag.id == tag_id).values(name=name, folded=fold(name)))
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.UNIQUE_VIOLATION:
            return False
        raise
    return True


def remove(session: Session, tag_id: int) -> None:
    session.execute(delete(Tag).where(Tag.id == tag_id))


def merge(session: Session, source_id: int, target_id: int) -> None:
    """Every link of the one becomes a link of the other, once, in the bin too; the one is gone."""
    for links in (image_tags, binned_image_tags):
        moved = select(links.c.image_id, literal(target_id)).where(links.c.tag_id == source_id)
        session.execute(insert(links).from_select(["image_id", "tag_id"], moved).on_conflict_do_nothing())
    remove(session, source_id)


def link(session: Session, image_id: int, tag_ids: Collection[int]) -> None:
    if tag_ids:
        rows = [{"image_id": image_id, "tag_id": tag_id} for tag_id in sorted(tag_ids)]
        session.execute(insert(image_tags).values(rows).on_conflict_do_nothing())


def unlink(session: Session, image_id: int, tag_ids: Collection[int]) -> None:
    chosen = image_tags.c.tag_id.in_(tag_ids)
    session.execute(delete(image_tags).where(image_tags.c.image_id == image_id, chosen))


def hold_linked(session: Session, image_id: int, links: Table = image_tags) -> set[int]:
    """The tags of the image, whose row the caller has locked; none of them is merged or deleted until the transaction
    ends. One that is being merged just now is waited for, and then the image has the other: hence the second look."""
    own = links.c.image_id == image_id
    tags = select(Tag.id).join(links, links.c.tag_id == Tag.id).where(own).order_by(Tag.id)
    while True:
        held = set(session.scalars(tags.with_for_update(read=True, key_share=True, of=Tag)))
        if held == set(session.scalars(select(links.c.tag_id).where(own))):
            return held


def linked(session: Session, image_id: int) -> set[int]:
    return set(session.scalars(select(image_tags.c.tag_id).where(image_tags.c.image_id == image_id)))


def bin_links(session: Session, image_id: int) -> None:
    _move_links(session, image_id, image_tags, binned_image_tags)


def restore_links(session: Session, image_id: int) -> None:
    _move_links(session, image_id, binned_image_tags, image_tags)


def _move_links(session: Session, image_id: int, origin: Table, destination: Table) -> None:
    hold_linked(session, image_id, origin)
    taken = (
        delete(origin).where(origin.c.image_id == image_id).returning(origin.c.image_id, origin.c.tag_id).cte("taken")
    )
    moved = select(taken.c.image_id, taken.c.tag_id)
    session.execute(insert(destination).from_select(["image_id", "tag_id"], moved).on_conflict_do_nothing())
