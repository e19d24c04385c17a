"""Images on the wire."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from chalicelib.routes.shapes.base import Answer, Body, Query
from chalicelib.routes.shapes.text import (
    Base64Data,
    ContentType,
    Filename,
    Metadata,
    Sha256,
    Size,
    TagNames,
    content_type_of,
    refused,
)
from chalicelib.services import images, uploads
from chalicelib.services.limits import MAX_TAGS

if TYPE_CHECKING:
    from chalicelib.aws.storage import PresignedUpload
    from chalicelib.database.images import FoundImage
    from chalicelib.database.tables import Image
    from chalicelib.services.images import Change
    from chalicelib.services.uploads import Draft, PresignedParts

Tags = Annotated[TagNames, Field(max_length=MAX_TAGS)]


class ImageDraft(Body):
    filename: Filename
    size: Size
    content_type: ContentType | None = None
    checksum_sha256: Sha256 | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)

    def draft(self) -> "Draft":
        return uploads.Draft(
            self.filename,
            self.content_type or content_type_of(self.filename),
            self.size,
            self.checksum_sha256,
            self.tags,
            self.metadata,
        )


class OneShot(Body):
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


class ImageChange(Body):
    filename: Filename | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise refused("body", "must name at least one of filename, tags, metadata")
        if nulls := [name for name in sorted(self.model_fields_set) if getattr(self, name) is None]:
            raise refused(nulls[0], "must not be null")
        return self

    def change(self) -> "Change":
        return images.Change(self.filename, self.tags, self.metadata)


class UploadRequest(Body):
    multipart: bool = False


class UploadedPart(Body):
    part_number: Annotated[int, Field(ge=1, le=10_000)]
    etag: Annotated[str, Field(min_length=1, max_length=255)]


class UploadedParts(Body):
    parts: Annotated[list[UploadedPart], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({part.part_number for part in self.parts}) != len(self.parts):
            raise refused("parts", "must not name a part_number twice")
        return self

    def etags(self) -> dict[int, str]:
        return {part.part_number: part.etag for part in self.parts}


@dataclass
class TagRef(Answer):
    id: int
    name: str


@dataclass
class ImageRecord(Answer):
    id: int
    status: str
    filename: str
    content_type: str
    size: int
    checksum_sha256: str | None
    created_by: str
    created_timestamp: int
    uploaded_timestamp: int | None
    url: str | None
    url_expires_timestamp: int | None
    tags: list[TagRef]
    metadata: dict[str, Any]
    attributes: dict[str, Any]
    preview_url: str | None
    rejection: str | None

    @classmethod
    def of(cls, image: "Image | FoundImage") -> Self:
        download = images.download(image)
        return cls(
            id=image.id,
            status=image.status,
            filename=image.filename,
            content_type=image.content_type,
            size=image.size,
            checksum_sha256=image.checksum_sha256,
            created_by=image.created_by,
            created_timestamp=image.created_timestamp,
            uploaded_timestamp=int(image.uploaded_at.timestamp()) if image.uploaded_at else None,
            url=download.url if download else None,
            url_expires_timestamp=download.expires_timestamp if download else None,
            tags=[TagRef(tag.id, tag.name) for tag in image.tags],
            metadata=image.metadata_,
            attributes=image.attributes,
            preview_url=None,
            rejection=image.rejection,
        )


@dataclass
class Upload(Answer):
    """Where and how to PUT the file; all null for a file of more than 5 GiB, which needs a multipart upload."""

    id: int
    upload_url: str | None
    upload_headers: dict[str, str] | None
    upload_expires_timestamp: int | None

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
    part_number: int
    url: str
    size: int


@dataclass
class MultipartUpload(Answer):
    id: int
    parts: list[Part]
    upload_expires_timestamp: int

    @classmethod
    def of(cls, image_id: int, presigned: "PresignedParts") -> Self:
        parts = [
            Part(part_number=number, url=url, size=size)
            for number, (url, size) in enumerate(zip(presigned.urls, presigned.sizes, strict=True), start=1)
        ]
        return cls(id=image_id, parts=parts, upload_expires_timestamp=presigned.expires_timestamp)
