from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from chalicelib.database import migrations
from chalicelib.database.tables import Base


def test_the_migrated_database_is_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def test_migrating_again_or_twice_at_once_changes_nothing(engine: Engine) -> None:
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(migrations.upgrade) for _ in range(2)]:
            done.result()

    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0006"
