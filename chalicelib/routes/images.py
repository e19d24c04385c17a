"""Single images and the list of all."""

from chalice.app import Blueprint, Request

from chalicelib.database import search
from chalicelib.database.engine import reading, transaction
from chalicelib.routes.answers import Created, Listed, Nothing, Versioned, listing, url_for
from chalicelib.routes.request import caller
from chalicelib.routes.route import route
from chalicelib.routes.shapes.fields import IfMatch, ImageId, TagName
from chalicelib.routes.shapes.images import ImageChange, ImageDraft, ImageRecord
from chalicelib.routes.shapes.search import BrowseQuery
from chalicelib.routes.shapes.uploads import Upload
from chalicelib.services import images as service
from chalicelib.services import uploads
from chalicelib.services.callers import Permission

images = Blueprint(__name__)


@route(images, "GET /images", "listImages", needs=Permission.READ, query=BrowseQuery)
def browse(request: Request, wanted: BrowseQuery) -> Listed[ImageRecord]:
    """List images, newest first.

    Images in the bin are never among them. For a complete walk follow `meta.next_cursor`, which neither skips nor
    repeats an image, whatever comes and goes meanwhile."""
    with reading() as session:
        page = search.find(session, wanted.criteria(), wanted.window(int))
        who = caller(request)
        return listing(
            request, wanted, page, [ImageRecord.of(image, who) for image in page.rows], key=lambda row: row.id
        )


@route(images, "POST /images", "registerImage", needs=Permission.WRITE, body=ImageDraft)
def register(request: Request, draft: ImageDraft) -> Created[Upload]:
    """Register an image and get the URL to upload its file to.

    The first step of a staged upload. PUT the file to `upload_url` with exactly the headers in `upload_headers`; the
    storage refuses any other size, type or checksum. The image becomes `present` when the storage reports the file,
    usually within a second. Above 100 MB take the parts of a multipart upload, `POST /images/{image_id}/upload`."""
    with transaction() as session:
        image, upload = uploads.register(session, caller(request), draft.draft())
        return Created(Upload.of(image.id, upload), url_for(request, f"/images/{image.id}"))


@route(images, "GET /images/{image_id}", "getImage", needs=Permission.READ)
def get(request: Request, image_id: ImageId) -> Versioned[ImageRecord]:
    """Get one image, with a URL to download its file from.

    The file is at `url` once the image is `present`; the URL needs no token, and saves under the original filename."""
    with reading() as session:
        image = service.get(session, image_id)
        return Versioned(ImageRecord.of(image, caller(request)), service.etag(image))


@route(images, "PUT /images/{image_id}", "updateImage", needs=Permission.WRITE, body=ImageChange)
def replace(
    request: Request, change: ImageChange, image_id: ImageId, *, if_match: IfMatch | None = None
) -> Versioned[ImageRecord]:
    """Replace an image's tags, metadata or filename.

    Each that is named is replaced as a whole; what is not named stays. Send the `ETag` of what you read as `If-Match`
    to be told (412) when someone else was quicker."""
    with transaction() as session:
        image = service.replace(session, image_id, change.change(), if_match)
        return Versioned(ImageRecord.of(image, caller(request)), service.etag(image))


@route(images, "DELETE /images/{image_id}", "deleteImage", needs=Permission.WRITE)
def delete(request: Request, image_id: ImageId, *, if_match: IfMatch | None = None) -> Nothing:
    """Move an image to the bin.

    It is gone from every list and search at once, and can be restored for 30 days; then it is purged with its file.
    Images that someone else created take the permission `admin`."""
    with transaction() as session:
        service.delete(session, caller(request), image_id, if_match)
    return Nothing()


@route(images, "POST /images/{image_id}/restore", "restoreImage", needs=Permission.WRITE)
def restore(request: Request, image_id: ImageId) -> Versioned[ImageRecord]:
    """Bring an image back from the bin.

    With its tags, but for those that were deleted meanwhile. An image that is not in the bin stays as it is. Images
    that someone else created take the permission `admin`; without it, one in the bin is not found."""
    with transaction() as session:
        image = service.restore(session, caller(request), image_id)
        return Versioned(ImageRecord.of(image, caller(request)), service.etag(image))


@route(images, "PUT /images/{image_id}/tags/{name}", "addTagToImage", needs=Permission.WRITE)
def add_tag(_: Request, image_id: ImageId, name: TagName) -> Nothing:
    """Add one tag to an image.

    A tag that does not exist yet is created. Adding it twice is fine."""
    with transaction() as session:
        service.add_tag(session, image_id, name)
    return Nothing()


@route(images, "DELETE /images/{image_id}/tags/{name}", "removeTagFromImage", needs=Permission.WRITE)
def take_off_tag(_: Request, image_id: ImageId, name: TagName) -> Nothing:
    """Take one tag off an image.

    The tag itself stays. Taking off one that the image does not have is fine."""
    with transaction() as session:
        service.take_off_tag(session, image_id, name)
    return Nothing()
