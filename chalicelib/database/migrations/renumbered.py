"""Databases whose recorded revision is not true.

On 24 and 25 November 2026, several branches numbered their migrations independently, and merging them renumbered files
that had already run. A database at "0006" may have run the inspection, which is 0007 now, and not the index of
attributes; one at "0007" may have run only 0001 to 0003 and the index of attributes; one at "0008" may lack
`first_answers`, since its 0005 once followed 0003. Alembic reads nothing but the number: it would skip a migration that
such a database lacks, or repeat one that it has. What a migration created shows whether it ran. So each one up to 0008
whose trace is missing is run, and the others are recorded as done. From 0009 on, hashes protect the files, and the
number is true.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

_LAST = "0008"

_TABLES = {
    "0001": "images",
    "0002": "untagged_images",
    "0003": "packed_blocks",
    "0004": "first_answers",
    "0005": "scan_positions",
    "0006": "indexed_attributes",
}
_COLUMNS_OF_IMAGES = {"0007": "inspected_at"}
_INDEXES_OF_IMAGES = {_LAST: "images_amid_parts"}


def run_missing_steps(connection: Connection, config: Config) -> None:
    """Runs each migration up to 0008 that a database of those days lacks. Does nothing to a database that is empty or
    newer."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None or revision > _LAST:
        return
    # 0006 attaches triggers to a function that 0003 once created by another name.
    if connection.scalar(text("SELECT to_regproc('note_changed_images') IS NOT NULL")):
        connection.execute(text("ALTER FUNCTION note_changed_images() RENAME TO links_changed_by_insert"))
    present = _present(connection)
    for step in (*_TABLES, *_COLUMNS_OF_IMAGES, *_INDEXES_OF_IMAGES):
        if step in present:
            command.stamp(config, step)
        else:
            command.upgrade(config, step)


def _present(connection: Connection) -> set[str]:
    """Returns the migrations that left their trace."""
    catalog = inspect(connection)
    tables = set(catalog.get_table_names())
    columns = {column["name"] for column in catalog.get_columns("images")}
    indexes = {index["name"] for index in catalog.get_indexes("images")}
    traces = ((_TABLES, tables), (_COLUMNS_OF_IMAGES, columns), (_INDEXES_OF_IMAGES, indexes))
    return {step for steps, found in traces for step, trace in steps.items() if trace in found}
