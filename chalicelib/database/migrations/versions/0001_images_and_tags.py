"""images and tags"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE SEQUENCE image_id_low_bits")
    op.execute(
        r"""
        CREATE TABLE images (
            id bigint PRIMARY KEY DEFAULT
                ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000) << 12
                | (nextval('image_id_low_bits') & 4095),
            created_at timestamptz NOT NULL
                GENERATED ALWAYS AS (to_timestamp(((id >> 12) + 1704067200000) / 1000.0)) STORED,
            created_by text NOT NULL,
            status text NOT NULL,
            filename text NOT NULL,
            content_type text NOT NULL,
            size bigint NOT NULL,
            checksum_sha256 text,
            object_key text COLLATE "C" NOT NULL UNIQUE,
            sequencer text,
            multipart_upload_id text,
            uploaded_at timestamptz,
            deleted_at timestamptz,
            rejection text,
            metadata jsonb NOT NULL,
            attributes jsonb NOT NULL,
            CONSTRAINT status_known CHECK (status IN ('pending', 'present', 'missing', 'rejected')),
            CONSTRAINT uploaded_when_present CHECK ((uploaded_at IS NULL) = (status IN ('pending', 'missing'))),
            CONSTRAINT filename_length CHECK (char_length(filename) BETWEEN 1 AND 255),
            CONSTRAINT filename_characters CHECK (filename !~ '[/\\\x01-\x1f\x7f]'),
            CONSTRAINT size_range CHECK (size BETWEEN 1 AND 5497558138880),
            CONSTRAINT checksum_form CHECK (checksum_sha256 ~ '^[0-9a-f]{64}$'),
            CONSTRAINT metadata_object CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("CREATE INDEX images_waiting ON images (id) WHERE status IN ('pending', 'missing')")
    op.execute("CREATE INDEX images_binned ON images (deleted_at) WHERE deleted_at IS NOT NULL")
    op.execute(
        r"""
        CREATE TABLE tags (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text COLLATE "C" NOT NULL UNIQUE,
            folded text COLLATE "C" NOT NULL,
            CONSTRAINT name_length CHECK (char_length(name) BETWEEN 1 AND 160),
            CONSTRAINT name_characters CHECK (name !~ '[|\x01-\x1f\x7f]')
        )
        """
    )
    op.execute("CREATE INDEX tags_folded_trigrams ON tags USING gin (folded gin_trgm_ops)")
    for table in ("image_tags", "binned_image_tags"):
        op.execute(
            f"""
            CREATE TABLE {table} (
                image_id bigint NOT NULL REFERENCES images (id) ON DELETE CASCADE,
                tag_id bigint NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
                PRIMARY KEY (image_id, tag_id)
            )
            """
        )
    op.execute("CREATE INDEX image_tags_by_tag ON image_tags (tag_id, image_id)")
    op.execute("CREATE INDEX binned_image_tags_by_tag ON binned_image_tags (tag_id)")
    op.execute(
        "COMMENT ON COLUMN tags.folded IS"
        " 'the name with case folded by Unicode''s rules: patterns are matched against it'"
    )
    op.execute("COMMENT ON COLUMN images.size IS 'bytes: as declared until present, then as the storage says'")
    op.execute(
        "COMMENT ON COLUMN images.checksum_sha256 IS"
        " 'hex: as declared until present, then as the storage says, if it does'"
    )
    op.execute("COMMENT ON COLUMN images.sequencer IS 'of the newest storage event that was taken in'")
    op.execute("COMMENT ON COLUMN images.deleted_at IS 'when it went to the bin'")
    op.execute(
        "COMMENT ON TABLE image_tags IS"
        " 'links of images that are not in the bin: a search by tag need not look at the images'"
    )
    op.execute("COMMENT ON TABLE binned_image_tags IS 'where the links of an image wait while it is in the bin'")
