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
    """One statement, safe to repeat; run by the master user. The settings are of the role, since RDS Proxy takes none
    from its clients."""
    steps = [
        *map(_role, USERS),
        f"GRANT CREATE ON DATABASE {DATABASE} TO {MIGRATOR};",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {MIGRATOR};",
        f"GRANT USAGE ON SCHEMA public TO {SERVICE};",
        # To set the privileges of another role's tables in advance, one has to be a member of it.
        f"GRANT {MIGRATOR} TO CURRENT_USER;",
        _future("SELECT, INSERT, UPDATE, DELETE", "TABLES"),
        _future("SELECT, USAGE", "SEQUENCES"),
        *(f"ALTER ROLE {SERVICE} SET {name} = '{value}';" for name, value in _settings().items()),
    ]
    return "DO $roles$ BEGIN\n" + "\n".join(steps) + "\nEND $roles$"


def _role(name: str) -> str:
    return (
        f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} LOGIN; END IF;\n"
        f"GRANT rds_iam TO {name};"
    )


def _future(privileges: str, things: str) -> str:
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {MIGRATOR} IN SCHEMA public GRANT {privileges} ON {things} TO {SERVICE};"


def _settings() -> dict[str, str]:
    return session_settings(STATEMENT_TIMEOUT_SECONDS)
