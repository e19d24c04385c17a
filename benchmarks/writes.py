"""What do exact counts and the index of attributes cost who writes, and how long do deletion and merge of a tag take?

    .venv/bin/python benchmarks/writes.py --images 1000000

Eight processes create images with the same five tags, each image its own transaction, in turns with and without the
triggers that keep the counts and the list of untagged images; then images with attributes, with and without the trigger
that indexes eleven of them. Then a tag of many images is deleted, its links are
purged, and another is merged. All in a database of its own, on a PostgreSQL of its own unless `--dsn` names a server.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import server
from local import environment

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HOT_TAGS = [f"hot {number}" for number in range(5)]
ATTRIBUTES: dict[str, Any] = {
    "Modality": "CT",
    "BodyPartExamined": "CHEST",
    "Manufacturer": "Acme",
    "StudyDate": "2020-05-01",
    "PhotometricInterpretation": "MONOCHROME2",
    "TransferSyntaxUID": "1.2.840.10008.1.2.1",
    "Rows": 512,
    "Columns": 512,
    "NumberOfFrames": 1,
    "PixelSpacing": [0.5, 0.5],
    "BitsStored": 12,
}
SETTINGS = {
    "IMAGE_BUCKET": "none",
    "ACCESS_LOG_TABLE": "none",
    "USER_POOL_ARN": "none",
    "AWS_REGION": "eu-central-1",
    "STATEMENT_TIMEOUT_SECONDS": "28",
}


def main() -> None:
    options = _options()
    with server.named_or_own(options.dsn) as url, _database(url) as dsn:
        os.environ |= SETTINGS | environment.database(dsn)
        from chalicelib.database import migrations

        migrations.upgrade()
        _execute(dsn, f"INSERT INTO indexed_attributes (keyword, position) VALUES {_INDEXED}")
        if options.rounds:
            for comparison in COMPARISONS:
                _compare_writers(comparison, dsn, options.writers, options.rounds, options.seconds)
        if options.images:
            _delete_and_merge(dsn, options.images)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", help="of a server, and a user who may create a database there")
    parser.add_argument("--images", type=int, default=1_000_000, help="of the tags to delete and to merge; 0: none")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6, help="with, and as many without counts; 0: none")
    parser.add_argument("--seconds", type=float, default=5, help="each round")
    return parser.parse_args()


@contextmanager
def _database(url: str) -> Iterator[str]:
    name = f"writes_{uuid.uuid4().hex[:8]}"
    _execute(url, f"CREATE DATABASE {name}")
    try:
        yield f"{url.rsplit('/', 1)[0]}/{name}"
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _compare_writers(comparison: "Comparison", dsn: str, writers: int, rounds: int, seconds: float) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(writers)]
    processes = [
        context.Process(target=_write, args=(theirs, comparison.create_image), daemon=True) for _, theirs in pipes
    ]
    for process in processes:
        process.start()
    ours = [pipe for pipe, _ in pipes]
    for pipe in ours:
        pipe.recv()
    _rate(ours, seconds)  # to warm up
    rates: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * rounds):
        # with, without, without, with: what drifts over time falls on both alike.
        counted = number % 4 in (0, 3)
        _set_triggers(dsn, comparison.triggers, counted)
        rates[counted].append(_rate(ours, seconds))
    _set_triggers(dsn, comparison.triggers, True)
    for pipe in ours:
        pipe.send(None)
    for process in processes:
        process.join()
    print(f"\n{writers} writers, {comparison.images}, images/s by round")
    _print_rates(rates)


def _rate(writers: list[Connection], seconds: float) -> float:
    """Images a second."""
    until = time.monotonic() + seconds
    for writer in writers:
        writer.send(until)
    made: int = sum(writer.recv() for writer in writers)
    return made / seconds


def _print_rates(rates: dict[bool, list[float]]) -> None:
    for on, name in ((True, "with triggers"), (False, "without")):
        print(f"{name:14}", *(f"{rate:8.0f}" for rate in rates[on]), f"  median {_median(rates[on]):.0f}")
    print(f"With triggers: {_median(rates[True]) / _median(rates[False]):.0%} of the throughput without.", flush=True)


def _median(rates: list[float]) -> float:
    return statistics.median(rates)


def _write(pipe: Connection, create_image: Callable[[], None]) -> None:
    """Creates images until the moment that the pipe names, and answers how many; None ends it."""
    create_image()
    pipe.send("ready")
    while (until := pipe.recv()) is not None:
        count = 0
        while time.monotonic() < until:
            create_image()
            count += 1
        pipe.send(count)


def _create_tagged() -> None:
    from chalicelib.database import tags
    from chalicelib.database.engine import transaction

    with transaction() as session:
        tag_ids = tags.ensure(session, HOT_TAGS).values()
        tags.link(session, _create_image(session), tag_ids)


def _create_with_attributes() -> None:
    """In studies of about a hundred images."""
    from chalicelib.database.engine import transaction

    study = int(time.time() * 10)
    with transaction() as session:
        _create_image(session, **ATTRIBUTES, StudyInstanceUID=f"{study:064x}", SeriesInstanceUID=f"{study + 1:064x}")


def _create_image(session: "Session", **attributes: Any) -> int:
    from chalicelib.database import images
    from chalicelib.database.tables import Image

    fields: dict[str, Any] = {"created_by": "writer", "filename": "a.dcm", "content_type": "application/dicom"}
    key = f"images/2026-01-01/{uuid.uuid4()}"
    image = Image(**fields, size=4, metadata_={"ward": "B2"}, object_key=key, attributes=attributes)
    images.add(session, image)
    return image.id


@dataclass(frozen=True)
class Comparison:
    images: str
    create_image: Callable[[], None]
    triggers: dict[str, tuple[str, ...]]


COMPARISONS = (
    Comparison(
        f"images with the same {len(HOT_TAGS)} tags",
        _create_tagged,
        {
            "images": ("image_listed",),
            "image_tags": ("links_added", "links_removed", "links_changed_by_insert", "links_changed_by_delete"),
        },
    ),
    Comparison("images with attributes", _create_with_attributes, {"images": ("attributes_added",)}),
)
_INDEXED = ", ".join(
    f"('{keyword}', 0)" for keyword in [*list(ATTRIBUTES)[:9], "StudyInstanceUID", "SeriesInstanceUID"]
)


def _set_triggers(dsn: str, triggers: dict[str, tuple[str, ...]], on: bool) -> None:
    for table, names in triggers.items():
        for name in names:
            _execute(dsn, f"ALTER TABLE {table} {'ENABLE' if on else 'DISABLE'} TRIGGER {name}")


def _delete_and_merge(dsn: str, images: int) -> None:
    print(f"\nTags on {images:,} images each, which have no other but every second one", flush=True)
    with _timed("filling"):
        tags = _fill(dsn, images)
    _delete(tags["deleted"], images)
    _merge(tags["merged"], tags["other"])
    _merge(tags["other"], tags["empty"])


def _fill(dsn: str, images: int) -> dict[str, int]:
    _execute(
        dsn,
        "INSERT INTO images (id, created_by, status, filename, content_type, size, object_key, metadata, attributes)"
        " SELECT n::bigint << 24, 'x', 'pending', 'a.dcm', 'application/dicom', 4, 'images/' || n, '{}', '{}'"
        f" FROM generate_series(1, {images}) n",
    )
    names = ("deleted", "merged", "other", "empty")
    _execute(dsn, f"INSERT INTO tags (name, folded) SELECT n, n FROM unnest(ARRAY{list(names)}) n")
    for name, step in (("deleted", 1), ("merged", 1), ("other", 2)):
        _execute(
            dsn,
            f"INSERT INTO image_tags SELECT n::bigint << 24, (SELECT id FROM tags WHERE name = '{name}')"
            f" FROM generate_series({step}, {images}, {step}) n",
        )
    _execute(dsn, "VACUUM ANALYZE")
    return {name: _execute(dsn, f"SELECT id FROM tags WHERE name = '{name}'")[0][0] for name in names}


def _delete(tag_id: int, images: int) -> None:
    from chalicelib.database.engine import transaction
    from chalicelib.events import housekeeping
    from chalicelib.services import tags

    with _timed("deletion of a tag", "ms"), transaction() as session:
        tags.delete(session, tag_id)
    begun, housekeeping.SECONDS_A_RUN = time.perf_counter(), 3600
    with _timed("purge of its links"):
        housekeeping.tidy()
    print(f"{images / (time.perf_counter() - begun):28,.0f} images/s")


def _merge(source_id: int, target_id: int) -> None:
    from chalicelib.database.engine import transaction
    from chalicelib.services import tags

    with _timed("merge into a tag on half/none of them"), transaction() as session:
        tags.merge(session, source_id, target_id)


@contextmanager
def _timed(what: str, unit: str = "s") -> Iterator[None]:
    begun = time.perf_counter()
    yield
    took = (time.perf_counter() - begun) * (1000 if unit == "ms" else 1)
    print(f"{what:40}{took:10.2f} {unit}", flush=True)


def _execute(dsn: str, sql: str) -> Any:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


if __name__ == "__main__":
    main()
