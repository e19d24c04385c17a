"""Lambda's SnapStart: what a snapshot may hold, and what must be new in every process that is restored from it."""

import os
import random
import ssl
from contextlib import suppress
from importlib import import_module

from chalicelib.aws import clients, dynamodb
from chalicelib.database import engine

LOADED = (
    "boto3",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "chalicelib.database.first_answers",
    "chalicelib.database.search",
    "chalicelib.services.uploads",
    "chalicelib.services.multipart",
)
"""What the first requests would otherwise load."""


def register() -> None:
    """Where there are no snapshots, nothing is to do."""
    with suppress(ImportError):
        from snapshot_restore_py import register_after_restore, register_before_snapshot

        register_before_snapshot(prepare)
        register_after_restore(renew)


def prepare() -> None:
    """Loads all, connects to nothing."""
    for module in LOADED:
        import_module(module)
    engine.engine()


def renew() -> None:
    """Connections are dead, credentials another's, and no two processes may draw the same numbers."""
    engine.forget()
    dynamodb.forget()
    clients.forget()
    random.seed()
    ssl.RAND_add(os.urandom(32), 32)
