"""repairs what databases of edited migrations lack

Migrations 0001 to 0007 were edited after databases had run them. This brings each of those databases to the schema that
the edited files make. Each part looks first whether there is something to do: on any other database nothing is done,
and no table is locked. No table is rewritten; the longest lock is that on `images` while a small index is built.
"""

from alembic import op
from sqlalchemy import inspect, text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    _waiting_images()
    _counts()
    _untagged_images()
    _noted_changes()
    _first_answers()
    _attribute_index()
    _renewals()
    _inspections()


def _waiting_images() -> None:
    """0001 indexed pending images only, by another name."""
    if "images_pending" in _indexes("images"):
        op.execute("CREATE INDEX images_waiting ON images (id) WHERE status IN ('pending', 'missing')")
        op.execute("DROP INDEX images_pending")


def _counts() -> None:
    """0002 gave each change of a count an id, which nothing reads."""
    if "id" in _columns("tag_count_changes"):
        op.execute("ALTER TABLE tag_count_changes DROP COLUMN id")


def _untagged_images() -> None:
    """0002 had functions whose plans took long for many links."""
    if "ARRAY" in _source("links_added"):
        return
    _replace(
        "links_added",
        """
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, count(*) FROM added GROUP BY tag_id;
        DELETE FROM untagged_images WHERE image_id = ANY (ARRAY(SELECT DISTINCT image_id FROM added));
        """,
    )
    _replace(
        "links_removed",
        """
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, -count(*) FROM removed GROUP BY tag_id;
        INSERT INTO untagged_images SELECT id FROM images
            WHERE id = ANY (ARRAY(SELECT DISTINCT image_id FROM removed)) AND deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM image_tags WHERE image_id = images.id OFFSET 0)
            ON CONFLICT DO NOTHING;
        """,
    )


def _noted_changes() -> None:
    """0003 had one function for both triggers, and noted too few of the changes made late in a long transaction."""
    if _source("links_changed_by_delete"):
        return
    for event, whose in (("insert", ""), ("delete", " JOIN tags t ON t.id = tag_id AND t.deleted_at IS NULL")):
        _replace(
            f"links_changed_by_{event}",
            f"""
            INSERT INTO changed_images SELECT DISTINCT image_id FROM changed{whose} WHERE image_id < (
                SELECT greatest(
                    ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000 - 1800000) << 12,
                    (SELECT end_id FROM packed_blocks ORDER BY first_id DESC LIMIT 1)
                )
            );
            """,  # noqa: S608 (our own words)
        )
    op.execute("DROP TRIGGER links_changed_by_delete ON image_tags")
    op.execute(
        "CREATE TRIGGER links_changed_by_delete AFTER DELETE ON image_tags REFERENCING OLD TABLE AS changed"
        " FOR EACH STATEMENT EXECUTE FUNCTION links_changed_by_delete()"
    )


def _first_answers() -> None:
    """0004 did not keep what a request touched: of the answers that are there, nothing is known."""
    for column in ("image_ids", "tag_ids"):
        if column not in _columns("first_answers"):
            op.execute(f"ALTER TABLE first_answers ADD {column} bigint[] NOT NULL DEFAULT '{{}}'")
            op.execute(f"ALTER TABLE first_answers ALTER {column} DROP DEFAULT")


def _attribute_index() -> None:
    """0006 did not pack hidden tags."""
    if _source("hidden_tags_unpacked"):
        return
    op.execute("ALTER TABLE packed_tags DROP CONSTRAINT packed_tags_tag_id_fkey")
    for table in ("tags", "hidden_tags"):
        name = f"{table}_unpacked"
        _replace(name, "DELETE FROM packed_tags WHERE tag_id IN (SELECT id FROM gone);")
        op.execute(
            f"CREATE TRIGGER {name} AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {name}()"
        )
    for event, rows in (("INSERT", "NEW TABLE"), ("DELETE", "OLD TABLE")):
        op.execute(
            f"CREATE TRIGGER hidden_links_changed_by_{event.lower()} AFTER {event} ON hidden_image_tags"
            f" REFERENCING {rows} AS changed FOR EACH STATEMENT"
            " WHEN (current_setting('images.in_the_background', true) IS DISTINCT FROM 'on')"
            " EXECUTE FUNCTION links_changed_by_insert()"
        )


def _renewals() -> None:
    """0005 described this column before restoring an image set it, too."""
    comment = "when it was restored, or a URL to upload to was last given again"
    if _columns("images")["renewed_at"] != comment:
        op.execute(f"COMMENT ON COLUMN images.renewed_at IS '{comment}'")


def _inspections() -> None:
    """0007 did not note when an inspection was last asked for."""
    if "inspections_asked_at" not in _columns("images"):
        op.execute("ALTER TABLE images ADD inspections_asked_at timestamptz")
        op.execute("COMMENT ON COLUMN images.inspections_asked_at IS 'when it last did'")


def _replace(function: str, does: str) -> None:
    op.execute(
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {does} RETURN NULL; END $$"
    )


def _columns(table: str) -> dict[str, str | None]:
    """Returns the comment of each column by its name."""
    return {column["name"]: column["comment"] for column in inspect(op.get_bind()).get_columns(table)}


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in inspect(op.get_bind()).get_indexes(table)}


def _source(function: str) -> str:
    """Returns an empty text when there is no such function."""
    found = op.get_bind().execute(text("SELECT prosrc FROM pg_proc WHERE oid = to_regproc(:name)"), {"name": function})
    return str(found.scalar() or "")
