"""what is known of an image's file: whether it was inspected, whether it has a preview"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE images ADD inspected_at timestamptz")
    op.execute("ALTER TABLE images ADD inspections_asked smallint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE images ADD inspections_asked_at timestamptz")
    op.execute("ALTER TABLE images ADD has_preview boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN images.inspected_at IS 'when its attributes were read'")
    op.execute(
        "COMMENT ON COLUMN images.inspections_asked IS 'how often the reconciliation has asked for what was lost'"
    )
    op.execute("COMMENT ON COLUMN images.inspections_asked_at IS 'when it last did'")
    op.execute(
        "CREATE INDEX images_uninspected ON images (id)"
        " WHERE status = 'present' AND inspected_at IS NULL AND inspections_asked < 5"
    )
