"""The schema, step by step: Alembic, driven from code so that Lambda, the local stack and the tests run the same."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from chalicelib.database.engine import engine

ADVISORY_LOCK = 7_161_001
"""Two migrations at once wait for one another on this."""


def upgrade(to: str = "head") -> None:
    """Brings the database to a revision, in one transaction; safe to repeat, and to run twice at once."""
    with engine().begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        command.upgrade(_config(connection), to)


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
