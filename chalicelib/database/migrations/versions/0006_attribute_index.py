"""an index of attributes: each value of an indexed keyword is a hidden tag"""

from alembic import op

revision = "0006"
down_revision = "0005"

DATE = "^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T.*)?)?)?$"


def upgrade() -> None:
    # What is changed before the triggers are there is for the backfill, which begins when all such changes have ended.
    op.execute("LOCK TABLE images IN SHARE ROW EXCLUSIVE MODE")
    _tables()
    _comments()
    _entries()
    _index_attributes()
    _triggers_on_images()
    _counts()
    _packing()


def _tables() -> None:
    op.execute(
        """
        CREATE TABLE indexed_attributes (
            keyword text COLLATE "C" PRIMARY KEY,
            position bigint NOT NULL DEFAULT 9223372036854775807,
            waits_for bigint,
            removed_at timestamptz
        )
        """
    )
    op.execute(
        f"""
        CREATE TABLE hidden_tags (
            id bigint PRIMARY KEY DEFAULT nextval('tags_id_seq'),
            keyword text COLLATE "C" NOT NULL REFERENCES indexed_attributes (keyword),
            value jsonb NOT NULL,
            number numeric GENERATED ALWAYS AS (
                CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END
            ) STORED,
            date text COLLATE "C" GENERATED ALWAYS AS (
                CASE WHEN jsonb_typeof(value) = 'string' AND value #>> '{{}}' ~ '{DATE}' THEN value #>> '{{}}' END
            ) STORED,
            image_count bigint NOT NULL DEFAULT 0
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX hidden_tags_by_value ON hidden_tags (keyword, value)")
    for column in ("number", "date"):
        op.execute(
            f"CREATE INDEX hidden_tags_by_{column} ON hidden_tags (keyword, {column}) WHERE {column} IS NOT NULL"
        )
    op.execute(
        """
        CREATE TABLE hidden_image_tags (
            image_id bigint NOT NULL REFERENCES images (id) ON DELETE CASCADE,
            tag_id bigint NOT NULL REFERENCES hidden_tags (id),
            PRIMARY KEY (image_id, tag_id)
        )
        """
    )
    op.execute("CREATE INDEX hidden_image_tags_by_tag ON hidden_image_tags (tag_id, image_id)")
    op.execute("CREATE TABLE hidden_tag_count_changes (tag_id bigint NOT NULL, change bigint NOT NULL)")
    op.execute("CREATE INDEX hidden_tag_count_changes_by_tag ON hidden_tag_count_changes (tag_id) INCLUDE (change)")
    op.execute(
        """
        CREATE TABLE attribute_failures (
            keyword text COLLATE "C" NOT NULL REFERENCES indexed_attributes (keyword) ON DELETE CASCADE,
            image_id bigint NOT NULL REFERENCES images (id) ON DELETE CASCADE,
            reason text NOT NULL,
            PRIMARY KEY (keyword, image_id)
        )
        """
    )
    op.execute("CREATE INDEX attribute_failures_by_image ON attribute_failures (image_id)")


def _comments() -> None:
    for what, comment in {
        "TABLE indexed_attributes": "keywords whose values are kept as hidden tags",
        "COLUMN indexed_attributes.position": (
            "images from this id on are indexed, and whatever changes; 0: all are, and searches use the index"
        ),
        "COLUMN indexed_attributes.waits_for": (
            "a transaction: who began before it may have missed the keyword, and has to end before the backfill begins"
        ),
        "COLUMN indexed_attributes.removed_at": "since when its hidden tags are being removed",
        "TABLE hidden_tags": (
            "a tag that nobody sees for each value of an indexed attribute; its ids are of the sequence of tags"
        ),
        "COLUMN hidden_tags.date": "a value that is a date, of the year at least",
        "COLUMN hidden_tags.image_count": "links in hidden_image_tags, but for hidden_tag_count_changes",
        "TABLE hidden_image_tags": "of images that are not in the bin; written by triggers on images and the backfill",
        "TABLE hidden_tag_count_changes": "what is yet to be added to hidden_tags.image_count",
        "TABLE attribute_failures": "attributes, or some of their values, that could not be indexed",
    }.items():
        op.execute(f"COMMENT ON {what} IS '{comment}'")


def _entries() -> None:
    """A value, or each of several; with a reason why it cannot be indexed."""
    op.execute(
        """
        CREATE FUNCTION attribute_entries(image_ids bigint[], keywords text[])
        RETURNS TABLE (image_id bigint, keyword text, value jsonb, reason text) LANGUAGE sql STABLE AS $$
            SELECT i.id, k.keyword, e.value,
                CASE
                    WHEN jsonb_typeof(e.value) IN ('array', 'object') THEN 'is no text, number, boolean or null'
                    WHEN octet_length(e.value::text) > 1000 THEN 'is longer than 1,000 bytes'
                END
            FROM images i CROSS JOIN unnest(keywords) AS k (keyword)
            CROSS JOIN LATERAL jsonb_array_elements('[]'::jsonb || (i.attributes -> k.keyword)) AS e (value)
            WHERE i.id = ANY (image_ids) AND i.deleted_at IS NULL
        $$
        """
    )


def _index_attributes() -> None:
    """The plan is made once for the session, when the tables may still be empty: hence the settings."""
    op.execute(
        """
        CREATE FUNCTION index_attributes(image_ids bigint[], keywords text[]) RETURNS void LANGUAGE plpgsql
        SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
        SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
            INSERT INTO hidden_tags (keyword, value)
                SELECT DISTINCT e.keyword, e.value FROM attribute_entries(image_ids, keywords) e
                WHERE e.reason IS NULL AND NOT EXISTS (
                    SELECT FROM hidden_tags h WHERE h.keyword = e.keyword AND h.value = e.value
                ) ORDER BY e.keyword, e.value ON CONFLICT DO NOTHING;
            INSERT INTO hidden_image_tags
                SELECT e.image_id, h.id FROM attribute_entries(image_ids, keywords) e
                JOIN hidden_tags h ON h.keyword = e.keyword AND h.value = e.value
                WHERE e.reason IS NULL ON CONFLICT DO NOTHING;
            INSERT INTO attribute_failures
                SELECT e.keyword, e.image_id, min(e.reason) FROM attribute_entries(image_ids, keywords) e
                WHERE e.reason IS NOT NULL GROUP BY e.keyword, e.image_id
                ON CONFLICT (keyword, image_id) DO UPDATE SET reason = excluded.reason;
        END $$
        """
    )


def _triggers_on_images() -> None:
    index = """
        PERFORM index_attributes(
            ARRAY[NEW.id], ARRAY(SELECT keyword FROM indexed_attributes WHERE removed_at IS NULL)
        );
    """
    _trigger(
        "attributes_added",
        "AFTER INSERT ON images FOR EACH ROW WHEN (NEW.deleted_at IS NULL AND NEW.attributes <> '{}')",
        index,
    )
    _trigger(
        "attributes_changed",
        "AFTER UPDATE OF attributes, deleted_at ON images FOR EACH ROW WHEN ("
        "NEW.attributes <> OLD.attributes OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL))",
        f"""
        DELETE FROM hidden_image_tags WHERE image_id = NEW.id;
        DELETE FROM attribute_failures WHERE image_id = NEW.id;
        IF NEW.deleted_at IS NULL AND NEW.attributes <> '{{}}' THEN {index} END IF;
        """,  # noqa: S608 (our own words)
    )


def _counts() -> None:
    for event, table, change in (("INSERT", "NEW TABLE", "count(*)"), ("DELETE", "OLD TABLE", "-count(*)")):
        _trigger(
            f"hidden_links_counted_by_{event.lower()}",
            f"AFTER {event} ON hidden_image_tags REFERENCING {table} AS changed FOR EACH STATEMENT",
            f"INSERT INTO hidden_tag_count_changes SELECT tag_id, {change} FROM changed GROUP BY tag_id;",  # noqa: S608
        )


def _packing() -> None:
    """Hidden tags are packed as others are. What is indexed or removed in the background is not noted, since it is of
    keywords whose tags are not packed yet, or not used any more."""
    op.execute("ALTER TABLE packed_tags DROP CONSTRAINT packed_tags_tag_id_fkey")
    for table in ("tags", "hidden_tags"):
        _trigger(
            f"{table}_unpacked",
            f"AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
            "DELETE FROM packed_tags WHERE tag_id IN (SELECT id FROM gone);",
        )
    # The function notes every image of the links that it is given.
    for event, rows in (("INSERT", "NEW TABLE"), ("DELETE", "OLD TABLE")):
        op.execute(
            f"CREATE TRIGGER hidden_links_changed_by_{event.lower()} AFTER {event} ON hidden_image_tags"
            f" REFERENCING {rows} AS changed FOR EACH STATEMENT"
            " WHEN (current_setting('images.in_the_background', true) IS DISTINCT FROM 'on')"
            " EXECUTE FUNCTION links_changed_by_insert()"
        )


def _trigger(name: str, event: str, does: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} RETURN NULL; END $$")
    op.execute(f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION {name}()")
