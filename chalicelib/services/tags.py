"""What may happen to a tag."""

from typing import cast

from sqlalchemy.orm import Session

from chalicelib.database import tags as table
from chalicelib.database.tags import CountedTag
from chalicelib.errors import InvalidRequest, TagNameTaken, TagNotFound
from chalicelib.services import versions
from chalicelib.telemetry import logger, touch


def get(session: Session, tag_id: int) -> CountedTag:
    touch(tags=[tag_id])
    tag = table.get_counted(session, tag_id)
    if tag is None:
        raise TagNotFound(tag_id)
    return tag


def known(session: Session, tag_id: int) -> int:
    if not table.exists(session, tag_id):
        raise TagNotFound(tag_id)
    return tag_id


def create(session: Session, name: str) -> tuple[CountedTag, bool]:
    """The tag of this name, and whether it is new."""
    new = name in table.create(session, [name])
    tag_id = table.ensure(session, [name])[name]
    touch(tags=[tag_id])
    return cast("CountedTag", table.get_counted(session, tag_id)), new  # it cannot go while `ensure` holds it


def etag(tag: CountedTag) -> str:
    """Changes with the name, not with the count, which others change all the time."""
    return versions.etag([tag.id, tag.name])


def rename(session: Session, tag_id: int, name: str, if_match: str | None = None) -> CountedTag:
    _lock(session, tag_id)
    _check(session, tag_id, if_match)
    while not table.rename(session, tag_id, name):
        if holder_id := table.id_of(session, name):
            raise TagNameTaken(tag_id, name, holder_id)
    return get(session, tag_id)


def delete(session: Session, tag_id: int, if_match: str | None = None) -> None:
    """At once, whatever the number of its images."""
    _lock(session, tag_id)
    _check(session, tag_id, if_match)
    table.remove(session, tag_id)


def merge(session: Session, source_id: int, target_id: int, if_match: str | None = None) -> CountedTag:
    """The ETag is that of the tag which goes."""
    if source_id == target_id:
        raise InvalidRequest.of("into", "must be another tag than the one to merge")
    _lock(session, source_id, target_id)
    _check(session, source_id, if_match)
    images = table.merge(session, source_id, target_id)
    logger.info("merged a tag", tag_id=source_id, into=target_id, images=images)
    return get(session, target_id)


def _check(session: Session, tag_id: int, if_match: str | None) -> None:
    if if_match is not None:
        versions.check(if_match, etag(get(session, tag_id)))


def _lock(session: Session, *tag_ids: int) -> None:
    touch(tags=tag_ids)
    found = table.lock(session, tag_ids)
    for tag_id in tag_ids:
        if tag_id not in found:
            raise TagNotFound(tag_id)
