"""where scans have come to, uploads that went quiet, files that are being verified"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute('CREATE TABLE scan_positions (name text PRIMARY KEY, after text COLLATE "C" NOT NULL)')
    op.execute(
        "COMMENT ON TABLE scan_positions IS"
        " 'how far what runs by the clock has come in what it goes through bit by bit'"
    )
    op.execute("ALTER TABLE images ADD renewed_at timestamptz, ADD verifying_until timestamptz")
    op.execute(
        "COMMENT ON COLUMN images.renewed_at IS 'when it was restored, or a URL to upload to was last given again'"
    )
    op.execute(
        "COMMENT ON COLUMN images.verifying_until IS"
        " 'as long someone may be reading the file, to compare its SHA-256; nobody else does'"
    )
    op.execute(
        "CREATE INDEX images_binned_amid_parts ON images (id)"
        " WHERE deleted_at IS NOT NULL AND multipart_upload_id IS NOT NULL"
    )
