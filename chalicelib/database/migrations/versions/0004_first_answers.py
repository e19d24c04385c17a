"""the first answers to requests with an Idempotency-Key"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE first_answers (
            caller text COLLATE "C" NOT NULL,
            key text COLLATE "C" NOT NULL,
            request bytea NOT NULL,
            status smallint NOT NULL,
            headers jsonb NOT NULL,
            body text NOT NULL,
            image_ids bigint[] NOT NULL,
            tag_ids bigint[] NOT NULL,
            answered_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (caller, key)
        )
        """
    )
    op.execute("CREATE INDEX first_answers_by_age ON first_answers (answered_at)")
    op.execute("COMMENT ON COLUMN first_answers.request IS 'SHA-256 of what was asked'")
