"""what search needs: counts of tags, untagged images, tags being purged, and indexes in the order of every answer"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # What is counted here, no one may change before the triggers count it.
    op.execute("LOCK TABLE images, image_tags IN SHARE ROW EXCLUSIVE MODE")
    _tags_that_can_be_deleted_at_once()
    _counts()
    _untagged_images()
    op.execute("CREATE INDEX images_listed ON images (id) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX images_present ON images (id) WHERE deleted_at IS NULL AND status = 'present'")
    op.execute("CREATE INDEX images_by_creator ON images (created_by, id) WHERE deleted_at IS NULL")
    for column in ("metadata", "attributes"):
        op.execute(f"CREATE INDEX images_{column} ON images USING gin ({column} jsonb_path_ops)")


def _tags_that_can_be_deleted_at_once() -> None:
    op.execute("ALTER TABLE tags ADD deleted_at timestamptz")
    op.execute("ALTER TABLE tags DROP CONSTRAINT tags_name_key")
    op.execute("CREATE UNIQUE INDEX tags_by_name ON tags (name) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX tags_by_folded ON tags (folded)")
    op.execute("CREATE INDEX tags_deleted ON tags (id) WHERE deleted_at IS NOT NULL")
    op.execute("COMMENT ON COLUMN tags.deleted_at IS 'since when its links are being purged; the name is free'")


def _counts() -> None:
    op.execute("ALTER TABLE tags ADD image_count bigint NOT NULL DEFAULT 0")
    op.execute(
        """
        CREATE TABLE tag_count_changes (
            tag_id bigint NOT NULL,
            change bigint NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX tag_count_changes_by_tag ON tag_count_changes (tag_id) INCLUDE (change)")
    op.execute("UPDATE tags SET image_count = (SELECT count(*) FROM image_tags WHERE tag_id = tags.id)")
    op.execute("COMMENT ON COLUMN tags.image_count IS 'links in image_tags, but for tag_count_changes'")
    op.execute(
        "COMMENT ON TABLE tag_count_changes IS"
        " 'what is yet to be added to tags.image_count: writers of one hot tag append here and do not wait'"
    )


def _untagged_images() -> None:
    op.execute("CREATE TABLE untagged_images (image_id bigint PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE)")
    op.execute(
        "COMMENT ON TABLE untagged_images IS"
        " 'images that are not in the bin and have no link, not even to a tag being purged'"
    )
    op.execute(
        "INSERT INTO untagged_images SELECT id FROM images WHERE deleted_at IS NULL"
        " AND NOT EXISTS (SELECT FROM image_tags WHERE image_id = images.id)"
    )
    # Arrays, since a plan is kept for the session: made for one link or for a million it looks up each in the index.
    _trigger(
        "links_added",
        "AFTER INSERT ON image_tags REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
        """
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, count(*) FROM added GROUP BY tag_id;
        DELETE FROM untagged_images WHERE image_id = ANY (ARRAY(SELECT DISTINCT image_id FROM added));
        """,
    )
    _trigger(
        "links_removed",
        "AFTER DELETE ON image_tags REFERENCING OLD TABLE AS removed FOR EACH STATEMENT",
        """
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, -count(*) FROM removed GROUP BY tag_id;
        INSERT INTO untagged_images SELECT id FROM images
            WHERE id = ANY (ARRAY(SELECT DISTINCT image_id FROM removed)) AND deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM image_tags WHERE image_id = images.id OFFSET 0)
            ON CONFLICT DO NOTHING;
        """,
    )
    _trigger(
        "image_listed",
        "AFTER INSERT ON images FOR EACH ROW WHEN (NEW.deleted_at IS NULL)",
        "INSERT INTO untagged_images VALUES (NEW.id);",
    )
    _trigger(
        "image_binned",
        "AFTER UPDATE OF deleted_at ON images FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL)",
        "DELETE FROM untagged_images WHERE image_id = NEW.id;",
    )
    _trigger(
        "image_restored",
        "AFTER UPDATE OF deleted_at ON images FOR EACH ROW"
        " WHEN (NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL)",
        """
        INSERT INTO untagged_images SELECT NEW.id
            WHERE NOT EXISTS (SELECT FROM image_tags WHERE image_id = NEW.id);
        """,
    )


def _trigger(name: str, event: str, does: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} RETURN NULL; END $$")
    op.execute(f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION {name}()")
