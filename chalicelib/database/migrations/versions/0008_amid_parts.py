"""every open multipart upload, since not only those of images in the bin are to be ended"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("DROP INDEX images_binned_amid_parts")
    op.execute("CREATE INDEX images_amid_parts ON images (id) WHERE multipart_upload_id IS NOT NULL")
