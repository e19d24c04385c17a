"""The users of the database, who sign in by IAM: one owns the schema, the other works in it."""

from chalicelib.database.engine import session_settings

MIGRATOR = "migrator"
SERVICE = "service"
USERS = (MIGRATOR, SERVICE)
DATABASE = "images"
STATEMENT_TIMEOUT_SECONDS = 20
CA_FILE = "/var/task/botocore/cacert.pem"
"""The public roots, by which the proxy's certificate is signed; psycopg2 looks for none by itself."""


def sql() -> str:
    """Returns one statement that is safe to repeat; the master user runs it. The settings belong to the role, since RDS
    Proxy accepts none from its clients. What `service` may do with the tables, their owner grants (migration 0011)."""
    steps = [
        *map(_role, USERS),
        _LEAVE,
        f"GRANT CREATE ON DATABASE {DATABASE} TO {MIGRATOR};",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {MIGRATOR};",
        f"GRANT USAGE ON SCHEMA public TO {SERVICE};",
        *(f"ALTER ROLE {SERVICE} SET {name} = '{value}';" for name, value in _settings().items()),
    ]
    return "DO $roles$ BEGIN\n" + "\n".join(steps) + "\nEND $roles$"


_LEAVE = f"IF pg_has_role('{MIGRATOR}', 'USAGE') THEN REVOKE {MIGRATOR} FROM CURRENT_USER; END IF;"
"""A member of a role that signs in by IAM can no longer sign in by password, as the master user does for the Data API
(docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/database-authentication.html). Versions before migration 0011 made
the master user a member of `migrator`."""


def _role(name: str) -> str:
    return (
        f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} LOGIN; END IF;\n"
        f"GRANT rds_iam TO {name};"
    )


def _settings() -> dict[str, str]:
    return session_settings(STATEMENT_TIMEOUT_SECONDS)
