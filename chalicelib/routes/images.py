"""Images: browse, register, get, change, bin, restore, and their single tags."""

from http import HTTPStatus

from chalice.app import Blueprint, Request, Response

from chalicelib.database import search
from chalicelib.database.engine import reading, transaction
from chalicelib.routes.request import answer, caller, listing, nothing, path_id, path_tag, route, url_for
from chalicelib.routes.shapes.images import ImageChange, ImageDraft, ImageRecord, Upload
from chalicelib.routes.shapes.search import BrowseQuery
from chalicelib.services import images as service
from chalicelib.services import uploads
from chalicelib.services.callers import Permission

images = Blueprint(__name__)


@route(images, "GET", "/images", needs=Permission.READ, query=BrowseQuery)
def browse(request: Request, wanted: BrowseQuery) -> Response:
    with reading() as session:
        page = search.find(session, wanted.criteria(), wanted.window(int))
        return listing(request, wanted, page, [ImageRecord.of(image) for image in page.rows], key=lambda row: row.id)


@route(images, "POST", "/images", needs=Permission.WRITE, body=ImageDraft)
def register(request: Request, draft: ImageDraft) -> Response:
    with transaction() as session:
        image, upload = uploads.register(session, caller(request), draft.draft())
        location = {"Location": url_for(request, f"/images/{image.id}")}
        return answer(Upload.of(image.id, upload), HTTPStatus.CREATED, location)


@route(images, "GET", "/images/{image_id}", needs=Permission.READ)
def get(_: Request, image_id: str) -> Response:
    with reading() as session:
        image = service.get(session, path_id(image_id, "image_id"))
        return answer(ImageRecord.of(image), headers={"ETag": service.etag(image)})


@route(images, "PUT", "/images/{image_id}", needs=Permission.WRITE, body=ImageChange)
def replace(request: Request, change: ImageChange, image_id: str) -> Response:
    if_match = request.headers.get("if-match")
    with transaction() as session:
        image = service.replace(session, path_id(image_id, "image_id"), change.change(), if_match)
        return answer(ImageRecord.of(image), headers={"ETag": service.etag(image)})


@route(images, "DELETE", "/images/{image_id}", needs=Permission.WRITE)
def delete(request: Request, image_id: str) -> Response:
    with transaction() as session:
        service.delete(session, caller(request), path_id(image_id, "image_id"))
    return nothing()


@route(images, "POST", "/images/{image_id}/restore", needs=Permission.WRITE)
def restore(request: Request, image_id: str) -> Response:
    with transaction() as session:
        image = service.restore(session, caller(request), path_id(image_id, "image_id"))
        return answer(ImageRecord.of(image), headers={"ETag": service.etag(image)})


@route(images, "PUT", "/images/{image_id}/tags/{name}", needs=Permission.WRITE)
def add_tag(_: Request, image_id: str, name: str) -> Response:
    with transaction() as session:
        service.add_tag(session, path_id(image_id, "image_id"), path_tag(name))
    return nothing()


@route(images, "DELETE", "/images/{image_id}/tags/{name}", needs=Permission.WRITE)
def take_off_tag(_: Request, image_id: str, name: str) -> Response:
    with transaction() as session:
        service.take_off_tag(session, path_id(image_id, "image_id"), path_tag(name))
    return nothing()
