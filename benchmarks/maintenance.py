"""How much does a chunk of background work read, and does it read more in a larger collection?

    .venv/bin/python benchmarks/maintenance.py --images 20000 200000 1000000

For each size it fills a database of its own (see filling.py), makes the same amount of every kind of work, lets run
what runs by the clock, and prints for each database function the most buffers (8 KiB, read or found in memory) that it
asked for in one transaction, what triggers and foreign keys ask for included. The columns should be alike.
"""

import argparse
import ast
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg2
from sqlalchemy import event

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import filling, server
from chalicelib.config import settings
from chalicelib.database import engine as engine_module
from chalicelib.database import images, inspections, migrations, packing, retention, scans, tags
from chalicelib.database.engine import chunk_transaction, transaction
from chalicelib.events import housekeeping, indexing, purge, reconciliation

DATABASE = ROOT / "chalicelib" / "database"
CALLERS = [path for path in sorted((ROOT / "chalicelib" / "events").glob("*.py")) if path.name != "migration.py"]
CALLERS += [ROOT / "chalicelib" / "services" / name for name in ("purging.py", "inventory.py")]
"""What runs by the clock, and the services that nothing else uses."""

_BUFFERS = """
    SELECT coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint FROM pg_class
    WHERE relkind IN ('r', 'i', 't') AND oid >= 16384
    """


def functions() -> set[str]:
    """Returns the database functions that the schedules call, as `module.function`, found in their source."""
    return {name for path in CALLERS for name in _called(ast.parse(path.read_text()))}


def _called(tree: ast.Module) -> Iterator[str]:
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "chalicelib.database"
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in modules and name.islower():
                yield f"{modules[module]}.{name}"


@contextmanager
def recorded() -> Iterator[Counter[str]]:
    """Yields the most buffers that each database function asked for in one transaction of the product's engine, as long
    as this lasts."""
    most: Counter[str] = Counter()
    current: Counter[str] = Counter()
    before = [0]

    def begin(connection: Any, *_: Any) -> None:
        before[0] = _buffers(connection)

    def end(connection: Any, *_: Any) -> None:
        if name := _function(sys._getframe()):
            current[name] += _buffers(connection) - before[0]

    def close(_: Any) -> None:
        most.update({name: max(0, number - most[name]) for name, number in current.items()})
        current.clear()

    listeners: list[tuple[str, Callable[..., None]]] = [
        ("before_cursor_execute", begin),
        ("after_cursor_execute", end),
        ("commit", close),
        ("rollback", close),
    ]
    engine = engine_module.engine()
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield most
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


def _buffers(connection: Any) -> int:
    with connection.connection.cursor() as cursor:
        cursor.execute(_BUFFERS)
        (number,) = cursor.fetchone()
        return int(number)


def _function(frame: FrameType | None) -> str | None:
    """The outermost function of the package `database` in which a statement is executed."""
    found = None
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent == DATABASE and path.stem != "engine":
            found = f"{path.stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return found


def run() -> None:
    """Lets everything run that runs by the clock, as far as the database is concerned: the storage is left alone."""
    housekeeping.tidy()
    purge.purge()
    reconciliation.reconcile()
    for act in _CHUNKS:
        with chunk_transaction() as session:
            act(session)


def run_single() -> None:
    """Does what is done to one image at a time."""
    for act in _ACTS:
        with transaction() as session:
            act(session)


def _one_image(session: Any) -> Any:
    return scans.waiting(session, 2**63 - 1, 1)[0]


_CHUNKS: tuple[Callable[[Any], object], ...] = (
    lambda session: scans.known_objects(session, "", None, 5000),
    lambda session: inspections.overdue(session, 0, 1000),
    lambda session: images.ids_of(session, [one.object_key for one in scans.waiting(session, 2**63 - 1, 1000)]),
)
"""What the storage has a part in."""

_ACTS: tuple[Callable[[Any], object], ...] = (
    lambda session: scans.is_known(session, _one_image(session).object_key),
    lambda session: inspections.waiting(session, _one_image(session).object_key),
    lambda session: retention.lock_expired(session, _one_image(session).id, 0),
    lambda session: retention.lock_vain_upload(session, _one_image(session).id, 0),
    lambda session: retention.lock_quiet(session, _one_image(session).id, 0),
    lambda session: tags.bin_links(session, _one_image(session).id),
    lambda session: retention.remove(session, _one_image(session).id),
    images.now,
)
"""What is done to one image at a time."""


def give_work(dsn: str, indexed: str, to_index: str) -> None:
    """Makes the same work for each kind of function, whatever the number of images, of which there have to be 20,000.
    The keyword `indexed` is given up, and the oldest images are to be indexed by `to_index`."""
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT id FROM tags WHERE deleted_at IS NULL ORDER BY image_count DESC, id LIMIT 1")
        ((tag_id,),) = cursor.fetchall()
        for statement in _WORK.split(";"):
            cursor.execute(statement, {"tag_id": tag_id, "indexed": indexed, "to_index": to_index})


_WORK = """
    UPDATE tags SET deleted_at = now() WHERE id = %(tag_id)s;
    INSERT INTO tags (name, folded) VALUES ('newly popular', 'newly popular');
    INSERT INTO image_tags SELECT i.id, t.id FROM images i JOIN tags t ON t.name = 'newly popular'
        WHERE i.deleted_at IS NULL AND (i.id >> 12) %% 5 = 0;
    DELETE FROM packed_blocks WHERE first_id = (SELECT max(first_id) FROM packed_blocks);
    INSERT INTO scan_positions SELECT 'tags to pack', id::text FROM (
        SELECT id FROM tags UNION ALL SELECT id FROM hidden_tags ORDER BY id DESC OFFSET 2000 LIMIT 1
    ) t ON CONFLICT (name) DO UPDATE SET after = excluded.after;
    INSERT INTO tag_count_changes
        SELECT id, 0 FROM (SELECT id FROM tags ORDER BY id LIMIT 2000) t, generate_series(1, 3);
    INSERT INTO tag_count_changes SELECT -1, 0 FROM generate_series(1, 100);
    INSERT INTO hidden_tag_count_changes
        SELECT id, 0 FROM (SELECT id FROM hidden_tags ORDER BY id LIMIT 1000) t, generate_series(1, 6);
    INSERT INTO first_answers SELECT 'someone', n::text, '', 200, '{}', repeat('x', 500), '{}', '{}',
        now() - CASE WHEN n <= 1100 THEN interval '2 days' ELSE interval '1 hour' END
        FROM generate_series(1, 1100 + (SELECT count(*) FROM images) / 10) n;
    UPDATE indexed_attributes SET removed_at = now() - interval '1 hour' WHERE keyword = %(indexed)s;
    INSERT INTO attribute_failures SELECT %(indexed)s, id, 'made up' FROM (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1100
    ) i;
    INSERT INTO indexed_attributes (keyword, position, waits_for)
        SELECT %(to_index)s, max(id), 3 FROM (
            SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id LIMIT 2100
        ) i;
    SET LOCAL session_replication_role = replica;
    INSERT INTO binned_image_tags SELECT id, %(tag_id)s FROM (SELECT id FROM images ORDER BY id LIMIT 1100) i
        ON CONFLICT DO NOTHING;
    UPDATE images SET deleted_at = now() - interval '60 days' WHERE id IN (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id OFFSET 7000 LIMIT 2500
    );
    UPDATE images SET status = 'present', uploaded_at = now(), multipart_upload_id = 'begun' WHERE id IN (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id OFFSET 7000 LIMIT 2500
    );
    UPDATE images SET status = 'pending', uploaded_at = NULL, multipart_upload_id = NULL WHERE id IN (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id OFFSET 9500 LIMIT 2500
    );
    UPDATE images SET status = 'present', uploaded_at = now() - interval '1 hour', inspected_at = NULL WHERE id IN (
        SELECT id FROM images WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1500
    )
    """


KEYWORDS = ("Modality", "BodyPartExamined", "Manufacturer", "Rows", "StudyDate", "StudyInstanceUID")
"""Indexed from the start; then the fifth is given up, and another takes its place."""
GIVEN_UP, ADDED = KEYWORDS[4], "ImageType"

SMALLER = (
    *((housekeeping, "TAGS_LOOKED_AT", 2000), (reconciliation, "PENDING_COUNTED", 1000)),
    *((packing, "LEAST_IMAGES", 1000), (packing, "LEAST_SHARE", 0.05), (housekeeping, "BEARABLE_CHANGES", 500)),
    *((housekeeping, "LINKS_A_CHUNK", 1000), (indexing, "LINKS_A_CHUNK", 1000), (housekeeping, "CHANGES_SAMPLED", 500)),
    *((housekeeping, "CHANGES_A_CHUNK", 5000), (housekeeping, "ANSWERS_A_CHUNK", 1000)),
)
"""What of the product's own size would be all of a small collection, or nothing of it."""

TIMES = (*((housekeeping, "SECONDS_A_RUN", 3600), (purge, "SECONDS_A_STEP", 0), (reconciliation, "SECONDS_A_STEP", 0)),)
"""What is to be done with the storage is looked for, and then there is no time to do it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 200_000, 1_000_000])
    results = [_measured(size) for size in parser.parse_args().images]
    print(f"{'buffers of 8 KiB a transaction':36}" + "".join(f"{size:>14,}" for size, _ in results))
    for name in sorted(functions()):
        print(f"{name:36}" + "".join(f"{most[name]:>14,}" if name in most else f"{'-':>14}" for _, most in results))


def _measured(size: int) -> tuple[int, Counter[str]]:
    with server.named_or_own(None, quick_to_fill=True) as dsn:
        use(dsn, KEYWORDS)
        for module, name, value in (*SMALLER, *TIMES):
            setattr(module, name, value)
        migrations.upgrade()
        filling.complete(dsn, size, empty=True)
        indexing.IMAGES_A_CHUNK, housekeeping.TAGS_LOOKED_AT = 2000, 2000
        give_work(dsn, GIVEN_UP, ADDED)
        use(dsn, [*KEYWORDS, ADDED], without=GIVEN_UP)
        with recorded() as most:
            run()
            run_single()
        engine_module.forget()
    return size, most


def use(dsn: str, keywords: Sequence[str], without: str = "") -> None:
    """The product uses this database, and indexes these keywords."""
    os.environ |= {"DATABASE_URL": "postgresql+psycopg2://" + dsn.partition("://")[2], "USER_POOL_ARN": "none"}
    os.environ |= {"IMAGE_BUCKET": "none", "ACCESS_LOG_TABLE": "none"}
    os.environ["INDEXED_ATTRIBUTES"] = ",".join(keyword for keyword in keywords if keyword != without)
    engine_module.forget()
    settings.cache_clear()


if __name__ == "__main__":
    main()
