"""How files come in: the one shot through the service, and the later steps of an upload to the storage."""

from typing import TYPE_CHECKING, cast

from chalice.app import Blueprint, Request

from chalicelib.database.engine import transaction
from chalicelib.errors import InvalidRequest
from chalicelib.routes.answers import Answered, Created, url_for
from chalicelib.routes.payload import media_type
from chalicelib.routes.request import caller
from chalicelib.routes.route import Raw, route
from chalicelib.routes.shapes.fields import ImageId
from chalicelib.routes.shapes.images import ImageRecord
from chalicelib.routes.shapes.uploads import MultipartUpload, OneShot, RawOneShot, Upload, UploadedParts, UploadRequest
from chalicelib.services import multipart, uploads
from chalicelib.services.callers import Permission

if TYPE_CHECKING:
    from chalicelib.services.uploads import Draft

RAW_TYPES = [
    "application/octet-stream",
    "application/dicom",
    "application/x-nifti",
    "application/gzip",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/jp2",
    "image/png",
    "image/tiff",
    "image/webp",
    "image/x-nifti",
]
"""Bodies of these types reach us as bytes; API Gateway would spoil any other by taking it for text."""

upload = Blueprint(__name__)


@route(
    upload,
    "POST /upload",
    "uploadImage",
    needs=Permission.WRITE,
    body=OneShot,
    raw=Raw(RAW_TYPES, RawOneShot),
)
def store(request: Request, shot: OneShot | RawOneShot) -> Created[ImageRecord]:
    """Upload an image in one request.

    Either as JSON with the file in base64, or as the raw bytes, of one of the listed types, with the filename and the
    tags in the query. The payload as sent holds at most 3,960,000 bytes; larger files are registered with
    `POST /images`."""
    draft, data = _raw(request, shot) if isinstance(shot, RawOneShot) else (shot.draft(), shot.image_data)
    with transaction() as session:
        image = uploads.store(session, caller(request), draft, data)
        return Created(ImageRecord.of(image, caller(request)), url_for(request, f"/images/{image.id}"))


@route(upload, "POST /images/{image_id}/upload", "renewUpload", needs=Permission.WRITE, body=UploadRequest)
def renew(request: Request, wanted: UploadRequest, image_id: ImageId) -> Answered[Upload] | Answered[MultipartUpload]:
    """Get a fresh upload URL, or the URLs of a multipart upload.

    For an image whose file is not there yet; it requires `admin` for an image that someone else created. Above 100 MB,
    or when asked for, the file goes up in parts: PUT each to its URL, keep the `ETag` of each answer, and finish with
    `POST /images/{image_id}/upload/complete`. An answer has 1,000 parts at most; `next_part` begins the next ones. A
    multipart upload once begun goes on: asking again gives fresh URLs for the same parts, and the `etag` of those that
    the storage has already."""
    with transaction() as session:
        presigned = multipart.renew(
            session, caller(request), image_id, multipart=wanted.multipart, first_part=wanted.first_part
        )
    if isinstance(presigned, multipart.PresignedParts):
        return Answered(MultipartUpload.of(image_id, presigned))
    return Answered(Upload.of(image_id, presigned))


@route(upload, "POST /images/{image_id}/upload/complete", "completeUpload", needs=Permission.WRITE, body=UploadedParts)
def complete(request: Request, uploaded: UploadedParts, image_id: ImageId) -> Answered[ImageRecord]:
    """Finish a multipart upload.

    Names every part with the `ETag` that the storage gave for it. Safe to repeat. It requires `admin` for an image that
    someone else created. A file that came by a single PUT meanwhile stays, and the parts are not used. The image then
    is `present`; if a `checksum_sha256` was declared it stays `pending` until the file has been read and compared, and
    becomes `present`, or `rejected`."""
    with transaction() as session:
        image = multipart.complete(session, caller(request), image_id, uploaded.etags())
        return Answered(ImageRecord.of(image, caller(request)))


def _raw(request: Request, shot: RawOneShot) -> "tuple[Draft, bytes]":
    data = cast("bytes", request.raw_body)
    if not data:
        raise InvalidRequest.of("body", "must not be empty")
    return uploads.Draft(shot.filename, media_type(request), len(data), tags=shot.tags), data
