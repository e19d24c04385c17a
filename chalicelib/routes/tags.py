"""Tags: list, create, rename, merge, delete, and the images of one."""

from http import HTTPStatus

from chalice.app import Blueprint, Request, Response

from chalicelib.database import search
from chalicelib.database import tags as table
from chalicelib.database.engine import reading, transaction
from chalicelib.routes.request import answer, listing, nothing, path_id, route, url_for
from chalicelib.routes.shapes.images import ImageRecord
from chalicelib.routes.shapes.search import BrowseQuery
from chalicelib.routes.shapes.tags import Merge, TagDraft, TagQuery, TagRecord
from chalicelib.services import tags as service
from chalicelib.services.callers import Permission

tags = Blueprint(__name__)


@route(tags, "GET", "/tags", needs=Permission.READ, query=TagQuery)
def browse(request: Request, wanted: TagQuery) -> Response:
    with reading() as session:
        page = table.find(session, wanted.match, wanted.window(str))
        return listing(request, wanted, page, [TagRecord.of(tag) for tag in page.rows], key=lambda row: row.name)


@route(tags, "POST", "/tags", needs=Permission.WRITE, body=TagDraft)
def create(request: Request, draft: TagDraft) -> Response:
    with transaction() as session:
        tag, new = service.create(session, draft.name)
    location = {"Location": url_for(request, f"/tags/{tag.id}")}
    return answer(TagRecord.of(tag), HTTPStatus.CREATED if new else HTTPStatus.OK, location)


@route(tags, "GET", "/tags/{tag_id}", needs=Permission.READ)
def get(_: Request, tag_id: str) -> Response:
    with reading() as session:
        return answer(TagRecord.of(service.get(session, path_id(tag_id, "tag_id"))))


@route(tags, "PUT", "/tags/{tag_id}", needs=Permission.WRITE, body=TagDraft)
def rename(_: Request, draft: TagDraft, tag_id: str) -> Response:
    with transaction() as session:
        return answer(TagRecord.of(service.rename(session, path_id(tag_id, "tag_id"), draft.name)))


@route(tags, "DELETE", "/tags/{tag_id}", needs=Permission.WRITE)
def delete(_: Request, tag_id: str) -> Response:
    with transaction() as session:
        service.delete(session, path_id(tag_id, "tag_id"))
    return nothing()


@route(tags, "POST", "/tags/{tag_id}/merge", needs=Permission.WRITE, body=Merge)
def merge_into(_: Request, merge: Merge, tag_id: str) -> Response:
    with transaction() as session:
        return answer(TagRecord.of(service.merge(session, path_id(tag_id, "tag_id"), merge.into)))


@route(tags, "GET", "/tags/{tag_id}/images", needs=Permission.READ, query=BrowseQuery)
def browse_images(request: Request, wanted: BrowseQuery, tag_id: str) -> Response:
    with reading() as session:
        tag = service.known(session, path_id(tag_id, "tag_id"))
        page = search.find(session, wanted.criteria(tag), wanted.window(int))
        return listing(request, wanted, page, [ImageRecord.of(image) for image in page.rows], key=lambda row: row.id)
