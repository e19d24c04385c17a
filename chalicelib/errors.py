"""Our failures, and the one place that turns them into problem+json (RFC 9457)."""

import json
from http import HTTPStatus
from typing import Any, ClassVar

from chalice.app import ChaliceUnhandledError, Response

from chalicelib.config import settings

PROBLEM_JSON = "application/problem+json"


class Failure(ChaliceUnhandledError):
    """An expected failure; `slug` ends its problem type. Chalice lets its base class pass through to the middleware."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class InternalError(Failure):
    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. The request id helps us to find out what.")


class MalformedRequest(Failure):
    status = HTTPStatus.BAD_REQUEST
    slug = "malformed-request"
    title = "Malformed request"


class InvalidRequest(Failure):
    status = HTTPStatus.BAD_REQUEST
    slug = "invalid-request"
    title = "Invalid request"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        named = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:3])
        super().__init__(named + ("; …" if len(errors) > 3 else ""), errors=errors)

    @classmethod
    def of(cls, field: str, message: str) -> "InvalidRequest":
        return cls([{"field": field, "message": message}])


class Forbidden(Failure):
    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"
    title = "Forbidden"


class ImageNotFound(Failure):
    """No such image, or it is in the bin; callers cannot tell which."""

    status = HTTPStatus.NOT_FOUND
    slug = "image-not-found"
    title = "Image not found"

    def __init__(self, image_id: int) -> None:
        super().__init__(f"There is no image {image_id}.")


class TagNotFound(Failure):
    status = HTTPStatus.NOT_FOUND
    slug = "tag-not-found"
    title = "Tag not found"

    def __init__(self, tag_id: int) -> None:
        super().__init__(f"There is no tag {tag_id}.")


class TagNameTaken(Failure):
    status = HTTPStatus.CONFLICT
    slug = "tag-name-taken"
    title = "Tag name taken"

    def __init__(self, tag_id: int, name: str, holder_id: int) -> None:
        super().__init__(
            f'Tag {holder_id} already has the name "{name}". To make the two one, '
            f'POST /v1/tags/{tag_id}/merge with {{"into": {holder_id}}}.',
            tag_id=holder_id,
        )


class ImageAlreadyPresent(Failure):
    status = HTTPStatus.CONFLICT
    slug = "image-already-present"
    title = "Image already present"

    def __init__(self, image_id: int) -> None:
        super().__init__(f"The file of image {image_id} is already there; register a new image for another file.")


class UploadIncomplete(Failure):
    """The storage does not accept the parts as the whole file."""

    status = HTTPStatus.CONFLICT
    slug = "upload-incomplete"
    title = "Upload incomplete"


class TooManyTags(Failure):
    status = HTTPStatus.CONFLICT
    slug = "too-many-tags"
    title = "Too many tags"

    def __init__(self, image_id: int, most: int) -> None:
        super().__init__(f"Image {image_id} has {most} tags already, which is the most that an image takes.")


class PreconditionFailed(Failure):
    status = HTTPStatus.PRECONDITION_FAILED
    slug = "precondition-failed"
    title = "Precondition failed"

    def __init__(self) -> None:
        super().__init__("It has changed since the ETag in If-Match was given. Get it again and decide anew.")


class RequestInProgress(Failure):
    status = HTTPStatus.CONFLICT
    slug = "request-in-progress"
    title = "Request in progress"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still at work; ask again in a moment.")


class IdempotencyKeyReused(Failure):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "idempotency-key-reused"
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another request before. Nothing was done; take a new key.")


class PayloadTooLarge(Failure):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "payload-too-large"
    title = "Payload too large"


class UnsupportedMediaType(Failure):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-media-type"
    title = "Unsupported media type"


class Unavailable(Failure):
    """A part that we depend on does not answer; the same request may succeed a little later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "unavailable"
    title = "Temporarily unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class TooCostly(Unavailable):
    slug = "too-costly"
    title = "The query took too long"


def problem(failure: Failure, request_id: str) -> Response:
    body = {
        "type": settings().problem_type_base + failure.slug,
        "title": failure.title,
        "status": int(failure.status),
        "detail": failure.detail,
        "request_id": request_id,
        **failure.members,
    }
    headers: dict[str, str | list[str]] = {"Content-Type": PROBLEM_JSON, **failure.headers}
    return Response(json.dumps(body, ensure_ascii=False), status_code=int(failure.status), headers=headers)


def failure_of(response: Response) -> Failure | None:
    """What Chalice itself refused or caught, in our words; None for an answer that needs no change."""
    if response.status_code < HTTPStatus.BAD_REQUEST or response.headers.get("Content-Type") == PROBLEM_JSON:
        return None
    message = response.body.get("Message", "") if isinstance(response.body, dict) else ""
    match response.status_code:
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            return UnsupportedMediaType(message)
        case HTTPStatus.BAD_REQUEST:
            return MalformedRequest(message)
        case _:
            return InternalError()
