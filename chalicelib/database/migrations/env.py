"""Alembic looks for this file: it runs the steps on the connection that `upgrade` holds."""

from alembic import context

from chalicelib.database.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
