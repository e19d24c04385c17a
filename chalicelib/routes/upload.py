"""How files come in: the one shot through the service, and the later steps of an upload to the storage."""

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from chalice.app import Blueprint, Request, Response

from chalicelib.database.engine import transaction
from chalicelib.errors import InvalidRequest, PayloadTooLarge
from chalicelib.routes.request import answer, caller, media_type, parsed_body, parsed_query, path_id, route, url_for
from chalicelib.routes.shapes.base import Query
from chalicelib.routes.shapes.images import (
    ImageRecord,
    MultipartUpload,
    OneShot,
    RawOneShot,
    Upload,
    UploadedParts,
    UploadRequest,
)
from chalicelib.services import uploads
from chalicelib.services.callers import Permission

if TYPE_CHECKING:
    from chalicelib.services.uploads import Draft

MAX_PAYLOAD_BYTES = 3_960_000
"""As base64 in the proxy event this stays within the 6 MB that Lambda takes."""

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


@route(upload, "POST", "/upload", needs=Permission.WRITE, query=None, content_types=["application/json", *RAW_TYPES])
def store(request: Request) -> Response:
    if len(request.raw_body) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"A one-shot upload takes at most {MAX_PAYLOAD_BYTES} bytes; for a larger file"
            " register the image with POST /v1/images and PUT the file to the URL that this gives."
        )
    draft, data = _raw(request) if media_type(request) in RAW_TYPES else _json(request)
    with transaction() as session:
        image = uploads.store(session, caller(request), draft, data)
        location = {"Location": url_for(request, f"/images/{image.id}")}
        return answer(ImageRecord.of(image), HTTPStatus.CREATED, location)


@route(upload, "POST", "/images/{image_id}/upload", needs=Permission.WRITE, body=UploadRequest)
def renew(_: Request, wanted: UploadRequest, image_id: str) -> Response:
    with transaction() as session:
        number = path_id(image_id, "image_id")
        presigned = uploads.renew(session, number, multipart=wanted.multipart)
    if isinstance(presigned, uploads.PresignedParts):
        return answer(MultipartUpload.of(number, presigned))
    return answer(Upload.of(number, presigned))


@route(upload, "POST", "/images/{image_id}/upload/complete", needs=Permission.WRITE, body=UploadedParts)
def complete(_: Request, uploaded: UploadedParts, image_id: str) -> Response:
    with transaction() as session:
        image = uploads.complete(session, path_id(image_id, "image_id"), uploaded.etags())
        return answer(ImageRecord.of(image))


def _json(request: Request) -> "tuple[Draft, bytes]":
    parsed_query(request, Query)
    shape = parsed_body(request, OneShot)
    return shape.draft(), shape.image_data


def _raw(request: Request) -> "tuple[Draft, bytes]":
    shape, data = parsed_query(request, RawOneShot), cast("bytes", request.raw_body)
    if not data:
        raise InvalidRequest.of("body", "must not be empty")
    return uploads.Draft(shape.filename, media_type(request), len(data), tags=shape.tags), data
