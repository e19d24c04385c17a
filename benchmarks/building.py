"""Takes indexes off tables that are about to be filled, and builds them afterwards: sooner than keeping them meanwhile.

What was taken off is written down in the database itself, so that a filling that was broken off can be completed.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2


def take_off(cursor: Any, tables: Sequence[str]) -> None:
    """Takes off all indexes but those that foreign keys rest on, and the checks of the tables' own foreign keys."""
    cursor.execute(_TAKEN_OFF)
    cursor.execute(_INDEXES, (list(tables),))
    for table, index, constraint, kind, definition in cursor.fetchall():
        if constraint is None:
            cursor.execute(f"DROP INDEX {index}")
        else:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
            _note(cursor, table, False, f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {kind} USING INDEX {index}")
        _note(cursor, table, True, definition.replace("INDEX", "INDEX IF NOT EXISTS", 1))
    cursor.execute(_FOREIGN_KEYS, (list(tables),))
    for table, trigger in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        _note(cursor, table, False, f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def put_back(dsn: str, tables: Sequence[str], at_once: int = 2) -> None:
    """Builds the indexes and foreign keys that were taken off these tables, several at the same time."""
    indexes, others = (_noted(dsn, tables, is_index) for is_index in (True, False))
    with ThreadPoolExecutor(at_once) as threads:
        for built in [threads.submit(_run, dsn, [index]) for index in indexes]:
            built.result()
    _run(dsn, [*others, f"DELETE FROM taken_off WHERE of = ANY ('{{{','.join(tables)}}}')"])


def _note(cursor: Any, table: str, is_index: bool, statement: str) -> None:
    cursor.execute("INSERT INTO taken_off VALUES (%s, %s, %s)", (table, is_index, statement))


def _noted(dsn: str, tables: Sequence[str], is_index: bool) -> list[str]:
    """The largest index first."""
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(_TAKEN_OFF)
        cursor.execute(_NOTED, (list(tables), is_index))
        return [statement for (statement,) in cursor]


def _run(dsn: str, statements: Iterable[str]) -> None:
    options = "-c statement_timeout=0 -c maintenance_work_mem=1GB -c max_parallel_maintenance_workers=0"
    with closing(psycopg2.connect(dsn, options=options)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


_TAKEN_OFF = "CREATE TABLE IF NOT EXISTS taken_off (of text, is_index bool, statement text)"

_NOTED = """
    SELECT statement FROM taken_off WHERE of = ANY (%s) AND is_index = %s
    ORDER BY statement LIKE '%% USING gin %%' DESC, pg_relation_size(of::regclass) DESC
    """

_INDEXES = """
    SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, quote_ident(c.conname),
        CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, pg_get_indexdef(i.indexrelid)
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype <> 'f'
    WHERE i.indrelid = ANY (%s::regclass[])
        AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
    ORDER BY 2
    """

_FOREIGN_KEYS = """
    SELECT t.tgrelid::regclass::text, quote_ident(t.tgname)
    FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint
    WHERE t.tgisinternal AND c.contype = 'f' AND t.tgrelid = c.conrelid AND t.tgrelid = ANY (%s::regclass[])
    ORDER BY t.tgname
    """
