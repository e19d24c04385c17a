"""Compares the schema that the database has with the schema that this code needs.

`catalog.txt` describes, one object a line, the schema that the migrations make in an empty database. A migration ends
with the comparison, and fails when the database differs: better no service than one that starts and then fails on every
write. `make schema` writes the file.
"""

from pathlib import Path

from sqlalchemy import Connection, text

Catalog = dict[str, str]
"""The definition of each object by its kind and name, such as `column images.size`."""

RECORD = Path(__file__).with_suffix(".txt")
_MOST_NAMED = 5

_NOT_NEEDED = ("comment", "storage")
"""Kinds that no statement depends on: an operator may change them."""


class SchemaError(Exception):
    """This code cannot use the database. The message says why, and what to do."""


class NewerSchemaError(SchemaError):
    """A later migration than this code has was run on the database."""

    def __init__(self, revision: str, newest_known: str) -> None:
        super().__init__(
            f"The database is at revision {revision}, which this version of the code does not know; the newest that it"
            f" knows is {newest_known}. A newer version migrated the database. Run that version, or restore a backup"
            " from before the migration."
        )
        self.revision, self.newest_known = revision, newest_known


def check(connection: Connection) -> None:
    """Raises SchemaError when something that this code needs is missing or changed, or when something was added that
    can refuse or change a write."""
    if differing := differences(recorded(), live(connection)):
        named = "; ".join(differing[:_MOST_NAMED])
        more = f"; and {len(differing) - _MOST_NAMED} more" if len(differing) > _MOST_NAMED else ""
        raise SchemaError(
            f"The schema of the database is not the one that this version of the code needs: {named}{more}."
            " Undo what was changed without a migration, or restore a backup from before the change."
        )


def recorded() -> Catalog:
    """Returns the catalog of a database that the migrations made."""
    return dict(line.split(": ", 1) for line in RECORD.read_text().splitlines())


def as_text(catalog: Catalog) -> str:
    """Returns what `recorded` reads."""
    return "".join(f"{name}: {definition}\n" for name, definition in catalog.items())


def live(connection: Connection) -> Catalog:
    """Returns the catalog of this database. Owners, grants, and the objects of extensions are not in it."""
    rows = connection.execute(_OBJECTS)
    return {f"{kind} {name}": " ".join(definition.split()) for kind, name, definition in rows}


def differences(expected: Catalog, found: Catalog) -> list[str]:
    """Returns what keeps this code from working, each as `column images.size is missing`. Operators may add tables,
    columns that have a default or take null, indexes that are not unique, functions and extensions."""
    needed = {name: definition for name, definition in expected.items() if not name.startswith(_NOT_NEEDED)}
    lost = [name for name in needed if name not in found]
    tables = {name.removeprefix("table ") for name in lost if name.startswith("table ")}
    missing = [f"{name} is missing" for name in lost if name.startswith("table ") or _table(name) not in tables]
    changed = [
        f"{name} is {found[name]!r} and should be {definition!r}"
        for name, definition in needed.items()
        if name in found and found[name] != definition
    ]
    added = [f"{name} should not exist" for name in found.keys() - needed.keys() if _is_in_the_way(name, found, needed)]
    return [*missing, *changed, *sorted(added)]


def _is_in_the_way(name: str, found: Catalog, needed: Catalog) -> bool:
    if f"table {_table(name)}" not in needed:
        return False
    match name.partition(" ")[0]:
        case "constraint" | "trigger" | "rule" | "security":
            return True
        case "index":
            return "UNIQUE" in found[name]
        case "column":
            return "NOT NULL" in found[name] and not {"DEFAULT", "GENERATED"} & set(found[name].split())
    return False


def _table(name: str) -> str:
    """Returns the table that the object belongs to, if it belongs to one."""
    return name.partition(" ")[2].partition(".")[0]


# The bodies of functions are compared by a hash of their source, in which a run of white space counts as one blank.
_OBJECTS = text(
    r"""
    WITH own AS (
        SELECT oid, relname, relkind, reloptions, relrowsecurity AND relforcerowsecurity AS is_forced FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_class.oid AND d.deptype = 'e')
    ), tables AS (
        SELECT * FROM own WHERE relkind IN ('r', 'p')
    ), columns AS (
        SELECT t.relname || '.' || a.attname AS name, a.*, y.typcollation, y.typstorage,
            pg_get_expr(d.adbin, d.adrelid) AS expression
        FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type y ON y.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    )
    SELECT 'extension' AS kind, extname::text AS name, 'installed' AS definition
        FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT 'table', relname, CASE relkind WHEN 'r' THEN 'plain' ELSE 'partitioned' END FROM tables
    UNION ALL SELECT 'column', name, concat_ws(' ',
            format_type(atttypid, atttypmod),
            CASE WHEN attcollation <> typcollation THEN 'COLLATE ' || attcollation::regcollation END,
            CASE WHEN attnotnull THEN 'NOT NULL' END,
            CASE attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
            CASE WHEN attgenerated <> '' THEN 'GENERATED ALWAYS AS (' || expression || ')'
                WHEN expression IS NOT NULL THEN 'DEFAULT ' || expression END
        ) FROM columns
    UNION ALL SELECT 'constraint', t.relname || '.' || c.conname, pg_get_constraintdef(c.oid)
        FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL SELECT 'index', t.relname || '.' || o.relname,
            pg_get_indexdef(o.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
        FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN own o ON o.oid = i.indexrelid
        WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
    UNION ALL SELECT 'trigger', t.relname || '.' || g.tgname,
            pg_get_triggerdef(g.oid) || CASE WHEN g.tgenabled = 'O' THEN '' ELSE ' DISABLED' END
        FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
    UNION ALL SELECT 'rule', t.relname || '.' || r.rulename, pg_get_ruledef(r.oid)
        FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid
    UNION ALL SELECT 'security', relname || '.rows', 'FORCED' FROM tables WHERE is_forced
    UNION ALL SELECT 'function', f.oid::regprocedure::text, concat_ws(' ',
            'RETURNS', pg_get_function_result(f.oid), 'LANGUAGE', l.lanname, f.provolatile, f.proconfig,
            'md5', md5(trim(regexp_replace(f.prosrc, '\s+', ' ', 'g')))
        ) FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang
        WHERE f.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = f.oid AND d.deptype = 'e')
    UNION ALL SELECT 'sequence', o.relname, concat_ws(' ',
            format_type(s.seqtypid, NULL), 'START', s.seqstart, 'INCREMENT', s.seqincrement, 'MAXVALUE', s.seqmax,
            CASE WHEN s.seqcycle THEN 'CYCLE' END
        ) FROM own o JOIN pg_sequence s ON s.seqrelid = o.oid
    UNION ALL SELECT 'comment', relname, obj_description(oid, 'pg_class') FROM tables
        WHERE obj_description(oid, 'pg_class') IS NOT NULL
    UNION ALL SELECT 'comment', name, col_description(attrelid, attnum) FROM columns
        WHERE col_description(attrelid, attnum) IS NOT NULL
    UNION ALL SELECT 'storage', relname, reloptions::text FROM tables WHERE reloptions IS NOT NULL
    UNION ALL SELECT 'storage', name, attstorage::text FROM columns WHERE attstorage <> typstorage
    ORDER BY kind, name
    """
)
