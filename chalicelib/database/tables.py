"""The tables, with the invariants that hold whatever the code does."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    and_,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

EPOCH_MILLISECONDS = 1_704_067_200_000
"""2024-01-01T00:00:00Z: image ids count from here."""

ID_SEQUENCE_BITS = 12

IMAGE_ID = (
    f"((extract(epoch from clock_timestamp()) * 1000)::bigint - {EPOCH_MILLISECONDS}) << {ID_SEQUENCE_BITS}"
    f" | (nextval('image_id_low_bits') & {2**ID_SEQUENCE_BITS - 1})"
)
"""Milliseconds, then a counter: newest first is id descending, and ids stay below 2^53 until the year 2093."""

TIMESTAMPTZ = TIMESTAMP(timezone=True)


class Status(StrEnum):
    PENDING = "pending"
    PRESENT = "present"
    MISSING = "missing"
    REJECTED = "rejected"


class Base(DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tags"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 160", name="name_length"),
        CheckConstraint(r"name !~ '[|\x01-\x1f\x7f]'", name="name_characters"),
        Index("tags_by_name", "name", unique=True, postgresql_where="deleted_at IS NULL"),
        Index("tags_by_folded", "folded"),
        Index("tags_folded_trigrams", "folded", postgresql_using="gin", postgresql_ops={"folded": "gin_trgm_ops"}),
        Index("tags_deleted", "id", postgresql_where="deleted_at IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    folded: Mapped[str] = mapped_column(
        Text(collation="C"), comment="the name with case folded by Unicode's rules: patterns are matched against it"
    )
    image_count: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="links in image_tags, but for tag_count_changes"
    )
    deleted_at: Mapped[datetime | None] = mapped_column(
        TIMESTAMPTZ, comment="since when its links are being purged; the name is free"
    )


image_tags = Table(
    "image_tags",
    Base.metadata,
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True),
    Index("image_tags_by_tag", "tag_id", "image_id"),
    comment="links of images that are not in the bin: a search by tag need not look at the images",
)

tag_count_changes = Table(
    "tag_count_changes",
    Base.metadata,
    Column("tag_id", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    Index("tag_count_changes_by_tag", "tag_id", postgresql_include=["change"]),
    comment="what is yet to be added to tags.image_count: writers of one hot tag append here and do not wait",
)
"""Written by triggers on image_tags."""

untagged_images = Table(
    "untagged_images",
    Base.metadata,
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    comment="images that are not in the bin and have no link, not even to a tag being purged",
)
"""Written by triggers on images and image_tags."""

packed_blocks = Table(
    "packed_blocks",
    Base.metadata,
    Column("first_id", BigInteger, primary_key=True, autoincrement=False),
    Column("end_id", BigInteger, nullable=False),
    Column("image_ids", ARRAY(BigInteger), nullable=False),
    comment="images from first_id up to and without end_id, ascending; blocks are without gaps, the first begins at 0",
)

packed_tags = Table(
    "packed_tags",
    Base.metadata,
    Column("tag_id", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "packed_from",
        BigInteger,
        server_default=str(2**63 - 1),
        nullable=False,
        comment="blocks from this one on hold the tag; 0: all do",
    ),
)

packed_links = Table(
    "packed_links",
    Base.metadata,
    Column("tag_id", ForeignKey("packed_tags.tag_id", ondelete="CASCADE"), primary_key=True),
    Column("first_id", BigInteger, primary_key=True),
    Column("places", ARRAY(Integer), nullable=False),
    comment="the places, counted from 1 and ascending, in the block's image_ids, of images with the tag",
)

changed_images = Table(
    "changed_images",
    Base.metadata,
    Column("image_id", BigInteger, nullable=False),
    Index("changed_images_by_image", "image_id"),
    comment="images whose links may have changed since they were packed; once for each change",
)
"""Written by triggers on image_tags."""

binned_image_tags = Table(
    "binned_image_tags",
    Base.metadata,
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True),
    Index("binned_image_tags_by_tag", "tag_id"),
    comment="where the links of an image wait while it is in the bin",
)


class FirstAnswer(Base):
    """What was answered to a request with an Idempotency-Key; committed with what the request did, or not at all."""

    __tablename__ = "first_answers"
    __table_args__ = (Index("first_answers_by_age", "answered_at"),)

    caller: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of what was asked")
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[str] = mapped_column(Text)
    image_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    tag_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    answered_at: Mapped[datetime] = mapped_column(TIMESTAMPTZ, server_default=func.now())


MOST_INSPECTIONS_ASKED = 5
"""What still fails then lies among the dead letters, for a person."""


class Image(Base):
    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'present', 'missing', 'rejected')", name="status_known"),
        CheckConstraint("(uploaded_at IS NULL) = (status IN ('pending', 'missing'))", name="uploaded_when_present"),
        CheckConstraint("char_length(filename) BETWEEN 1 AND 255", name="filename_length"),
        CheckConstraint(r"filename !~ '[/\\\x01-\x1f\x7f]'", name="filename_characters"),
        CheckConstraint(f"size BETWEEN 1 AND {5 * 1024**4}", name="size_range"),
        CheckConstraint("checksum_sha256 ~ '^[0-9a-f]{64}$'", name="checksum_form"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_object"),
        Index("images_waiting", "id", postgresql_where="status IN ('pending', 'missing')"),
        Index(
            "images_uninspected",
            "id",
            postgresql_where=(
                f"status = 'present' AND inspected_at IS NULL AND inspections_asked < {MOST_INSPECTIONS_ASKED}"
            ),
        ),
        Index("images_binned", "deleted_at", postgresql_where="deleted_at IS NOT NULL"),
        Index("images_amid_parts", "id", postgresql_where="multipart_upload_id IS NOT NULL"),
        Index("images_listed", "id", postgresql_where="deleted_at IS NULL"),
        Index("images_present", "id", postgresql_where="deleted_at IS NULL AND status = 'present'"),
        Index("images_by_creator", "created_by", "id", postgresql_where="deleted_at IS NULL"),
        Index("images_metadata", "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}),
        Index(
            "images_attributes", "attributes", postgresql_using="gin", postgresql_ops={"attributes": "jsonb_path_ops"}
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=text(IMAGE_ID))
    created_at: Mapped[datetime] = mapped_column(
        TIMESTAMPTZ,
        Computed(f"to_timestamp(((id >> {ID_SEQUENCE_BITS}) + {EPOCH_MILLISECONDS}) / 1000.0)", persisted=True),
    )
    created_by: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, default=Status.PENDING)
    filename: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger, comment="bytes: as declared until present, then as the storage says")
    checksum_sha256: Mapped[str | None] = mapped_column(
        Text, comment="hex: as declared until present, then as the storage says, if it does"
    )
    object_key: Mapped[str] = mapped_column(Text(collation="C"), unique=True)
    sequencer: Mapped[str | None] = mapped_column(Text, comment="of the newest storage event that was taken in")
    multipart_upload_id: Mapped[str | None] = mapped_column(Text)
    renewed_at: Mapped[datetime | None] = mapped_column(
        TIMESTAMPTZ, comment="when it was restored, or a URL to upload to was last given again"
    )
    verifying_until: Mapped[datetime | None] = mapped_column(
        TIMESTAMPTZ, comment="as long someone may be reading the file, to compare its SHA-256; nobody else does"
    )
    uploaded_at: Mapped[datetime | None] = mapped_column(TIMESTAMPTZ)
    deleted_at: Mapped[datetime | None] = mapped_column(TIMESTAMPTZ, comment="when it went to the bin")
    rejection: Mapped[str | None] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, default=dict)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    inspected_at: Mapped[datetime | None] = mapped_column(TIMESTAMPTZ, comment="when its attributes were read")
    inspections_asked: Mapped[int] = mapped_column(
        SmallInteger,
        server_default="0",
        default=0,
        comment="how often the reconciliation has asked for what was lost",
    )
    inspections_asked_at: Mapped[datetime | None] = mapped_column(TIMESTAMPTZ, comment="when it last did")
    has_preview: Mapped[bool] = mapped_column(server_default=false(), default=False)

    tags: Mapped[list[Tag]] = relationship(
        secondary=image_tags,
        secondaryjoin=lambda: and_(image_tags.c.tag_id == Tag.id, Tag.deleted_at.is_(None)),
        order_by=Tag.name,
        viewonly=True,
        lazy="raise",
    )

    @property
    def created_timestamp(self) -> int:
        return ((self.id >> ID_SEQUENCE_BITS) + EPOCH_MILLISECONDS) // 1000


scan_positions = Table(
    "scan_positions",
    Base.metadata,
    Column("name", Text, primary_key=True),
    Column("after", Text(collation="C"), nullable=False),
    comment="how far what runs by the clock has come in what it goes through bit by bit",
)

indexed_attributes = Table(
    "indexed_attributes",
    Base.metadata,
    Column("keyword", Text(collation="C"), primary_key=True),
    Column(
        "position",
        BigInteger,
        server_default=str(2**63 - 1),
        nullable=False,
        comment="images from this id on are indexed, and whatever changes; 0: all are, and searches use the index",
    ),
    Column(
        "waits_for",
        BigInteger,
        comment="a transaction: who began before it may have missed the keyword, and has to end before the backfill"
        " begins",
    ),
    Column("removed_at", TIMESTAMPTZ, comment="since when its hidden tags are being removed"),
    comment="keywords whose values are kept as hidden tags",
)


class HiddenTag(Base):
    __tablename__ = "hidden_tags"
    __table_args__ = (
        Index("hidden_tags_by_value", "keyword", "value", unique=True),
        Index("hidden_tags_by_number", "keyword", "number", postgresql_where="number IS NOT NULL"),
        Index("hidden_tags_by_date", "keyword", "date", postgresql_where="date IS NOT NULL"),
        {
            "comment": "a tag that nobody sees for each value of an indexed attribute; its ids are of the sequence of"
            " tags"
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=text("nextval('tags_id_seq')"))
    keyword: Mapped[str] = mapped_column(Text(collation="C"), ForeignKey("indexed_attributes.keyword"))
    value: Mapped[Any] = mapped_column(JSONB)
    number: Mapped[Decimal | None] = mapped_column(
        Numeric, Computed("CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END", persisted=True)
    )
    date: Mapped[str | None] = mapped_column(
        Text(collation="C"),
        Computed(
            "CASE WHEN jsonb_typeof(value) = 'string' AND value #>> '{}' ~"
            " '^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T.*)?)?)?$' THEN value #>> '{}' END",
            persisted=True,
        ),
        comment="a value that is a date, of the year at least",
    )
    image_count: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="links in hidden_image_tags, but for hidden_tag_count_changes"
    )


hidden_image_tags = Table(
    "hidden_image_tags",
    Base.metadata,
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("hidden_tags.id"), primary_key=True),
    Index("hidden_image_tags_by_tag", "tag_id", "image_id"),
    comment="of images that are not in the bin; written by triggers on images and the backfill",
)

hidden_tag_count_changes = Table(
    "hidden_tag_count_changes",
    Base.metadata,
    Column("tag_id", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    Index("hidden_tag_count_changes_by_tag", "tag_id", postgresql_include=["change"]),
    comment="what is yet to be added to hidden_tags.image_count",
)
"""Written by triggers on hidden_image_tags."""

attribute_failures = Table(
    "attribute_failures",
    Base.metadata,
    Column("keyword", ForeignKey("indexed_attributes.keyword", ondelete="CASCADE"), primary_key=True),
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", Text, nullable=False),
    Index("attribute_failures_by_image", "image_id"),
    comment="attributes, or some of their values, that could not be indexed",
)
"""Written by triggers on images, and by the backfill."""

image_id_low_bits = Sequence("image_id_low_bits", metadata=Base.metadata)


def created_timestamp(image_id: int) -> int:
    return ((image_id >> ID_SEQUENCE_BITS) + EPOCH_MILLISECONDS) // 1000


def first_id_at(timestamp: int) -> int:
    """The least id that an image created at or after this moment (seconds since the Unix epoch) can have."""
    return (timestamp * 1000 - EPOCH_MILLISECONDS) << ID_SEQUENCE_BITS
