"""looks each value of an attribute up in the index, however many values there are

The function that the triggers call keeps its plan for the session. A plan that was made while there were few values
joined by the keyword alone, and so compared an image with every value that the keyword got afterwards. OFFSET 0 keeps
the planner from joining: each value is looked up by keyword and value.
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        CREATE OR REPLACE FUNCTION index_attributes(image_ids bigint[], keywords text[]) RETURNS void LANGUAGE plpgsql
        SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
        SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
            INSERT INTO hidden_tags (keyword, value)
                SELECT DISTINCT e.keyword, e.value FROM attribute_entries(image_ids, keywords) e
                WHERE e.reason IS NULL AND NOT EXISTS (
                    SELECT FROM hidden_tags h WHERE h.keyword = e.keyword AND h.value = e.value OFFSET 0
                ) ORDER BY e.keyword, e.value ON CONFLICT DO NOTHING;
            INSERT INTO hidden_image_tags
                SELECT e.image_id, h.id FROM attribute_entries(image_ids, keywords) e CROSS JOIN LATERAL (
                    SELECT id FROM hidden_tags h WHERE h.keyword = e.keyword AND h.value = e.value OFFSET 0
                ) h WHERE e.reason IS NULL ON CONFLICT DO NOTHING;
            INSERT INTO attribute_failures
                SELECT e.keyword, e.image_id, min(e.reason) FROM attribute_entries(image_ids, keywords) e
                WHERE e.reason IS NOT NULL GROUP BY e.keyword, e.image_id
                ON CONFLICT (keyword, image_id) DO UPDATE SET reason = excluded.reason;
        END $$
        """
    )
