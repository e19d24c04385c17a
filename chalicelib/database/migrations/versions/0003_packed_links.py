"""links of popular tags once more, packed, for searches by several of them"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS intarray")
    op.execute(
        """
        CREATE TABLE packed_blocks (
            first_id bigint PRIMARY KEY,
            end_id bigint NOT NULL,
            image_ids bigint[] NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE packed_tags (
            tag_id bigint PRIMARY KEY REFERENCES tags (id) ON DELETE CASCADE,
            packed_from bigint NOT NULL DEFAULT 9223372036854775807
        )
        """
    )
    op.execute(
        """
        CREATE TABLE packed_links (
            tag_id bigint NOT NULL REFERENCES packed_tags (tag_id) ON DELETE CASCADE,
            first_id bigint NOT NULL,
            places int[] NOT NULL,
            PRIMARY KEY (tag_id, first_id)
        )
        """
    )
    # In the table's own rows, as far as a page holds one, and not compressed: both would be undone in every search.
    op.execute("ALTER TABLE packed_links SET (toast_tuple_target = 8160)")
    op.execute("ALTER TABLE packed_links ALTER places SET STORAGE EXTERNAL")
    op.execute("CREATE TABLE changed_images (image_id bigint NOT NULL)")
    op.execute("CREATE INDEX changed_images_by_image ON changed_images (image_id)")
    _comments()
    _note_changes()


def _comments() -> None:
    op.execute(
        "COMMENT ON TABLE packed_blocks IS"
        " 'images from first_id up to and without end_id, ascending; blocks are without gaps, the first begins at 0'"
    )
    op.execute("COMMENT ON COLUMN packed_tags.packed_from IS 'blocks from this one on hold the tag; 0: all do'")
    op.execute(
        "COMMENT ON TABLE packed_links IS"
        " 'the places, counted from 1 and ascending, in the block''s image_ids, of images with the tag'"
    )
    op.execute(
        "COMMENT ON TABLE changed_images IS"
        " 'images whose links may have changed since they were packed; once for each change'"
    )


def _note_changes() -> None:
    """Of what is packed, and of what soon may be: images are packed an hour old, and no transaction that changes one
    takes half of that. Links of deleted tags, which nobody asks for, go unnoted."""
    for event, table, whose in (
        ("INSERT", "NEW TABLE", ""),
        ("DELETE", "OLD TABLE", " JOIN tags t ON t.id = tag_id AND t.deleted_at IS NULL"),
    ):
        name = f"links_changed_by_{event.lower()}"
        op.execute(
            f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO changed_images SELECT DISTINCT image_id FROM changed{whose} WHERE image_id < (
                    SELECT greatest(
                        ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000 - 1800000) << 12,
                        (SELECT end_id FROM packed_blocks ORDER BY first_id DESC LIMIT 1)
                    )
                );
                RETURN NULL;
            END $$
            """  # noqa: S608 (our own words)
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON image_tags REFERENCING {table} AS changed FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {name}()"
        )
