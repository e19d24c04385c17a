"""Tags, and the images of one."""

from typing import TYPE_CHECKING

from chalice.app import Blueprint, Request

from chalicelib.database import search
from chalicelib.database import tags as table
from chalicelib.database.engine import reading, transaction
from chalicelib.routes.answers import Created, Listed, Located, Nothing, Versioned, listing, url_for
from chalicelib.routes.request import caller
from chalicelib.routes.route import route
from chalicelib.routes.shapes.fields import IfMatch, TagId
from chalicelib.routes.shapes.images import ImageRecord
from chalicelib.routes.shapes.search import BrowseQuery
from chalicelib.routes.shapes.tags import Merge, TagDraft, TagQuery, TagRecord
from chalicelib.services import tags as service
from chalicelib.services.callers import Permission

if TYPE_CHECKING:
    from chalicelib.database.tags import CountedTag

tags = Blueprint(__name__)


@route(tags, "GET /tags", "listTags", needs=Permission.READ, query=TagQuery)
def browse(request: Request, wanted: TagQuery) -> Listed[TagRecord]:
    """List tags alphabetically, all or those that match a pattern."""
    with reading() as session:
        page = table.find(session, wanted.match, wanted.window(str))
        return listing(request, wanted, page, [TagRecord.of(tag) for tag in page.rows], key=lambda row: row.name)


@route(tags, "POST /tags", "createTag", needs=Permission.WRITE, body=TagDraft)
def create(request: Request, draft: TagDraft) -> Created[TagRecord] | Located[TagRecord]:
    """Create a tag.

    A name that exists already is answered with the existing tag and 200, so that nobody has to ask first."""
    with transaction() as session:
        tag, new = service.create(session, draft.name)
    answer = Created if new else Located
    return answer(TagRecord.of(tag), url_for(request, f"/tags/{tag.id}"))


@route(tags, "GET /tags/{tag_id}", "getTag", needs=Permission.READ)
def get(_: Request, tag_id: TagId) -> Versioned[TagRecord]:
    """Get one tag.

    Its `ETag` changes with its name, not with its `image_count`."""
    with reading() as session:
        return _record(service.get(session, tag_id))


@route(tags, "PUT /tags/{tag_id}", "renameTag", needs=Permission.WRITE, body=TagDraft)
def rename(_: Request, draft: TagDraft, tag_id: TagId, *, if_match: IfMatch | None = None) -> Versioned[TagRecord]:
    """Rename a tag.

    It keeps its id and its images. A name that another tag has is refused with 409, which points to the merge."""
    with transaction() as session:
        return _record(service.rename(session, tag_id, draft.name, if_match))


@route(tags, "DELETE /tags/{tag_id}", "deleteTag", needs=Permission.WRITE)
def delete(_: Request, tag_id: TagId, *, if_match: IfMatch | None = None) -> Nothing:
    """Delete a tag.

    Its images stay; they only lose the tag."""
    with transaction() as session:
        service.delete(session, tag_id, if_match)
    return Nothing()


@route(tags, "POST /tags/{tag_id}/merge", "mergeTag", needs=Permission.WRITE, body=Merge)
def merge_into(_: Request, merge: Merge, tag_id: TagId, *, if_match: IfMatch | None = None) -> Versioned[TagRecord]:
    """Merge a tag into another.

    Every image of the tag in the path gets the tag in the body, once; then the tag in the path is gone. The answer is
    the tag that is left. `If-Match` is about the tag in the path."""
    with transaction() as session:
        return _record(service.merge(session, tag_id, merge.into, if_match))


@route(tags, "GET /tags/{tag_id}/images", "listImagesOfTag", needs=Permission.READ, query=BrowseQuery)
def browse_images(request: Request, wanted: BrowseQuery, tag_id: TagId) -> Listed[ImageRecord]:
    """List the images of a tag, newest first."""
    with reading() as session:
        tag = service.known(session, tag_id)
        page = search.find(session, wanted.criteria(tag), wanted.window(int))
        who = caller(request)
        return listing(
            request, wanted, page, [ImageRecord.of(image, who) for image in page.rows], key=lambda row: row.id
        )


def _record(tag: "CountedTag") -> Versioned[TagRecord]:
    return Versioned(TagRecord.of(tag), service.etag(tag))
