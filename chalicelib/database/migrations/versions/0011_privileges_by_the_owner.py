"""lets the service use the tables: those that there are, and those that later migrations create

On AWS, the user `migrator` owns the tables and the user `service` works in them. The master user used to set these
privileges. To do so it had to be a member of `migrator`, which signs in by IAM, and a member of such a user cannot sign
in by password. The owner needs no membership. Where one user does both, as on one machine, there is nothing to do.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        DO $$ DECLARE relation record; BEGIN
            IF current_user <> 'migrator' OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service') THEN
                RETURN;
            END IF;
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO service;
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO service;
            FOR relation IN
                SELECT oid::regclass AS name, relkind = 'S' AS is_sequence FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relowner = current_user::regrole
                AND relkind IN ('r', 'p', 'S')
            LOOP
                IF relation.is_sequence THEN
                    EXECUTE format('GRANT SELECT, USAGE ON SEQUENCE %s TO service', relation.name);
                ELSE
                    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO service', relation.name);
                END IF;
            END LOOP;
        END $$
        """
    )
