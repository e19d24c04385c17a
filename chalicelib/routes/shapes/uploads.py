"""Uploads on the wire."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from chalicelib.routes.shapes.base import Answer, Body, Query
from chalicelib.routes.shapes.fields import Base64Data, ContentType, Filename, ImageId, Metadata, says, when
from chalicelib.routes.shapes.images import STORAGE_EXAMPLE, Tags
from chalicelib.routes.shapes.text import content_type_of, refused
from chalicelib.services import uploads
from chalicelib.services.limits import MAX_PARTS

if TYPE_CHECKING:
    from chalicelib.aws.storage import PresignedUpload
    from chalicelib.services.multipart import PresignedParts
    from chalicelib.services.uploads import Draft

MAX_PAYLOAD_BYTES = 3_960_000
"""As base64 in the proxy event this stays within the 6 MB that Lambda takes."""

UPLOAD_EXAMPLE = f"{STORAGE_EXAMPLE}?X-Amz-SignedHeaders=content-length%3Bcontent-type&X-Amz-Signature=…"
PART_EXAMPLE = f"{STORAGE_EXAMPLE}?partNumber=1&uploadId=…&X-Amz-Signature=…"


class OneShot(Body):
    max_bytes = MAX_PAYLOAD_BYTES

    filename: Filename
    image_data: Base64Data
    content_type: ContentType | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)

    def draft(self) -> "Draft":
        content_type = self.content_type or content_type_of(self.filename)
        return uploads.Draft(self.filename, content_type, len(self.image_data), None, self.tags, self.metadata)


class RawOneShot(Query):
    """Beside the raw bytes as the body."""

    filename: Filename
    tags: Tags = Field(default_factory=list)


class UploadRequest(Body):
    multipart: Annotated[bool, says("Whether to upload in parts whatever the size.", True)] = False
    first_part: Annotated[
        int,
        Field(ge=1, le=MAX_PARTS),
        says("In parts: which one the answer begins with; the `next_part` of an earlier one.", 1001),
    ] = 1


class UploadedPart(Body):
    part_number: Annotated[int, Field(ge=1, le=MAX_PARTS), says("Counted from 1.", 1)]
    etag: Annotated[
        str,
        Field(min_length=1, max_length=255),
        says("The `ETag` header of the storage's answer to the part.", '"5d41402abc4b2a76b9719d911017c592"'),
    ]


class UploadedParts(Body):
    max_bytes = MAX_PAYLOAD_BYTES

    parts: Annotated[
        list[UploadedPart], Field(min_length=1, max_length=MAX_PARTS), says("Every part once, in any order.")
    ]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({part.part_number for part in self.parts}) != len(self.parts):
            raise refused("parts", "must not name a part_number twice")
        return self

    def etags(self) -> dict[int, str]:
        return {part.part_number: part.etag for part in self.parts}


EXPIRED = (
    "After that the storage answers 403 `AccessDenied`, or 400 `ExpiredToken`; request a fresh one with `POST"
    " /images/{image_id}/upload`"
)


@dataclass
class Upload(Answer):
    """Where and how to PUT the file; all null for a file of more than 5 GiB, which needs a multipart upload."""

    id: ImageId
    upload_url: Annotated[
        str | None, says("A presigned URL that takes one PUT of exactly the declared file.", UPLOAD_EXAMPLE)
    ]
    upload_headers: Annotated[
        dict[str, str] | None,
        says(
            "To be sent with the PUT exactly as they are.", {"Content-Type": "application/dicom", "If-None-Match": "*"}
        ),
    ]
    upload_expires_timestamp: Annotated[int | None, when(f"when the URL expires. {EXPIRED}", 1_700_003_600)]

    @classmethod
    def of(cls, image_id: int, presigned: "PresignedUpload | None") -> Self:
        if presigned is None:
            return cls(id=image_id, upload_url=None, upload_headers=None, upload_expires_timestamp=None)
        return cls(
            id=image_id,
            upload_url=presigned.url,
            upload_headers=presigned.headers,
            upload_expires_timestamp=presigned.expires_timestamp,
        )


@dataclass
class Part(Answer):
    part_number: Annotated[int, says("Counted from 1.", 1)]
    url: Annotated[str, says("A presigned URL that takes one PUT of the part.", PART_EXAMPLE)]
    size: Annotated[int, says("Bytes of this part of the file.", 67_108_864, format="int64")]
    etag: Annotated[
        str | None,
        says(
            "Of the part that the storage has already, as `complete` takes it; null while it has none.",
            '"5d41402abc4b2a76b9719d911017c592"',
        ),
    ]


@dataclass
class MultipartUpload(Answer):
    """Cut the file into these parts, in their order, and PUT each to its URL."""

    id: ImageId
    parts: Annotated[list[Part], says("At most 1,000, in the order of the file.")]
    next_part: Annotated[
        int | None, says("Ask with it as `first_part` for the next ones; null on the last page.", 1001)
    ]
    upload_expires_timestamp: Annotated[int, when(f"when the URLs expire. {EXPIRED}", 1_700_003_600)]

    @classmethod
    def of(cls, image_id: int, presigned: "PresignedParts") -> Self:
        parts = [
            Part(part_number=each.number, url=each.url, size=each.size, etag=each.etag) for each in presigned.parts
        ]
        return cls(
            id=image_id,
            parts=parts,
            next_part=presigned.next_part,
            upload_expires_timestamp=presigned.expires_timestamp,
        )
