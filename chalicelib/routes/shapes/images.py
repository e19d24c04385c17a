"""Images on the wire."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from chalicelib.database import tables
from chalicelib.routes.shapes.base import Answer, Body
from chalicelib.routes.shapes.fields import (
    AttributeEntry,
    ContentType,
    Filename,
    ImageId,
    Metadata,
    MetadataEntry,
    Sha256,
    Size,
    TagId,
    TagName,
    says,
    when,
)
from chalicelib.routes.shapes.text import content_type_of, refused, unique
from chalicelib.services import images, uploads
from chalicelib.services.limits import MAX_TAGS, MAX_VERIFIED_BYTES

if TYPE_CHECKING:
    from chalicelib.database.images import FoundImage
    from chalicelib.database.tables import Image
    from chalicelib.services.callers import Caller
    from chalicelib.services.images import Change
    from chalicelib.services.uploads import Draft

STORAGE_EXAMPLE = "https://images.example.s3.eu-central-1.amazonaws.com/images/2026-01-01/0b6f2c1e"
DOWNLOAD_EXAMPLE = f"{STORAGE_EXAMPLE}?X-Amz-Signature=…"

Tags = Annotated[
    list[TagName],
    Field(max_length=MAX_TAGS),
    AfterValidator(unique),
    says("Tags by name, at most 100; those that do not exist yet are created.", ["chest-xray", "urgent"]),
]


class ImageDraft(Body):
    filename: Filename
    size: Size
    content_type: ContentType | None = None
    checksum_sha256: Sha256 | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _verifiable(self) -> Self:
        if self.checksum_sha256 is not None and self.size > MAX_VERIFIED_BYTES:
            raise refused(
                "checksum_sha256", f"can be verified for files of at most {MAX_VERIFIED_BYTES} bytes; leave it out"
            )
        return self

    def draft(self) -> "Draft":
        return uploads.Draft(
            self.filename,
            self.content_type or content_type_of(self.filename),
            self.size,
            self.checksum_sha256,
            self.tags,
            self.metadata,
        )


def _as_validated(schema: dict[str, Any]) -> None:
    """What `_says_something` refuses."""
    schema["minProperties"] = 1
    schema["properties"] = {name: field["anyOf"][0] for name, field in schema["properties"].items()}


class ImageChange(Body):
    model_config = ConfigDict(json_schema_extra=_as_validated)

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


@dataclass
class TagRef(Answer):
    id: TagId
    name: Annotated[str, says("Normalised and trimmed.", "chest-xray")]


@dataclass
class ImageRecord(Answer):
    id: ImageId
    status: Annotated[
        "tables.Status",
        says(
            "`pending`: its file has not come yet. `present`: the storage has it. `missing`: the storage has lost it."
            " `rejected`: it came, but was refused; see `rejection`.",
            "present",
        ),
    ]
    filename: Annotated[str, says("Downloads are saved under it.", "chest.dcm")]
    content_type: Annotated[str, says("The media type of the file.", "application/dicom")]
    size: Annotated[
        int,
        says("Bytes: as declared until the file is there, then as the storage reports.", 35_000_000, format="int64"),
    ]
    checksum_sha256: Annotated[
        str | None,
        says(
            "SHA-256 of the file, hexadecimal: as declared until the file is there, then as the storage reports. Of a"
            " file that came in parts only if it was declared, and then verified.",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
    ]
    created_by: Annotated[
        str,
        says("Who registered it: `sub` of a person, `client_id` of a machine.", "5f1b7c1e-0d5c-4a53-9f0a-3a8f2f7a9c11"),
    ]
    created_timestamp: Annotated[int, when("when it was registered", 1_700_000_000)]
    uploaded_timestamp: Annotated[int | None, when("when its file came; null while it is not there", 1_700_000_050)]
    url: Annotated[
        str | None,
        says(
            "A presigned GET of the file, which needs no token; null while the file is not there, and of a rejected one"
            " for all but its creator and admins.",
            DOWNLOAD_EXAMPLE,
        ),
    ]
    url_expires_timestamp: Annotated[
        int | None,
        when(
            "when `url` expires. After that the storage answers 403 `AccessDenied`, or 400 `ExpiredToken`; get the"
            " image again for a fresh URL",
            1_700_003_600,
        ),
    ]
    tags: Annotated[list[TagRef], says("Alphabetically.")]
    metadata: Annotated[
        dict[str, MetadataEntry], says("What the client keeps with the image.", {"ward": "B2", "urgent": True})
    ]
    attributes: Annotated[
        dict[str, AttributeEntry],
        says(
            "What was read from the file after the upload, mostly under the keywords of DICOM; empty until then."
            " `Format` is its kind by content, `DeclaredAs` the media type it was declared as where that is another,"
            " `NoPreview` why it has no preview, `PixelWarning` why its pixels may show who it is, `HeaderWarning` that"
            " part of its header cannot be read. Of a date as much as the service is set to keep; identifiers only as"
            " keyed hashes. About 60 entries at most, and those that the service is set to keep in addition.",
            {"Format": "DICOM", "Modality": "CT", "Rows": 512, "PixelSpacing": [0.5, 0.5], "StudyDate": "2026"},
        ),
    ]
    preview_url: Annotated[
        str | None,
        says(
            "A presigned GET of a small WebP picture, at most 512 pixels wide and high, for a browser to show in place;"
            " null where there is none. It works as long as `url`.",
            f"{STORAGE_EXAMPLE}?X-Amz-Signature=…".replace("/images/", "/previews/"),
        ),
    ]
    rejection: Annotated[
        str | None,
        says(
            "Why the file was refused, for a person; null unless it was.", "The file is a PDF document, not an image."
        ),
    ]

    @classmethod
    def of(cls, image: "Image | FoundImage", caller: "Caller") -> Self:
        """As this caller sees it."""
        download = images.download(image, caller)
        return cls(
            id=image.id,
            status=tables.Status(image.status),
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
            preview_url=images.preview(image),
            rejection=image.rejection,
        )
