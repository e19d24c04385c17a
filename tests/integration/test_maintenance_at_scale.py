"""What runs by the clock works in chunks, and a chunk reads no more in a large collection than in a small one."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from benchmarks import building, collection, maintenance
from chalicelib.config import settings
from chalicelib.database import migrations, packing
from chalicelib.events import housekeeping
from tests.integration.conftest import create_database, for_psycopg2, used_by_the_product

SMALL, LARGE = 20_000, 200_000

MOST = {
    "attributes.failures": 20,
    "attributes.fill_in": 100_000,
    "attributes.in_the_background": 20,
    "attributes.let_begin": 20,
    "attributes.next_backfill": 20,
    "attributes.remove_some": 40_000,
    "attributes.removed": 20,
    "attributes.settle": 50,
    "attributes.share_done": 50,
    "first_answers.drop_old": 8_000,
    "images.ids_of": 20_000,
    "images.now": 20,
    "images.pending_since_before": 2_000,
    "inspections.overdue": 60_000,
    "inspections.waiting": 20,
    "packing.append": 35_000,
    "packing.changes": 7_000,
    "packing.choose_tags": 8_000,
    "packing.is_alone": 20,
    "packing.most_changed_block": 4_000,
    "packing.next_block": 20_000,
    "packing.pack": 40_000,
    "packing.pack_new_tags": 8_000,
    "retention.abandoned": 9_000,
    "retention.expired": 4_000,
    "retention.expired_count": 4_000,
    "retention.lock_expired": 20,
    "retention.lock_quiet": 20,
    "retention.lock_vain_upload": 20,
    "retention.remove": 100,
    "retention.vain_uploads": 4_000,
    "scans.is_known": 20,
    "scans.known_objects": 15_000,
    "scans.position": 20,
    "scans.remember": 20,
    "scans.waiting": 2_000,
    "tags.bin_links": 500,
    "upkeep.deleted_tags": 20,
    "upkeep.fold_counts": 130_000,
    "upkeep.purge_binned_links": 6_000,
    "upkeep.purge_links": 30_000,
    "upkeep.purge_tags": 10_000,
}
"""Every database function that the schedules call, and about twice the buffers that it reads in one transaction."""

GROWS_WITH_THE_TAG = {"upkeep.purge_tags"}
"""Passes once over the index entries of all links that were purged before, as long as no VACUUM has taken them away."""

SMALLER = ((packing, "LEAST_IMAGES", 100), (packing, "LEAST_SHARE", 0.005))
"""So that some three hundred tags are packed, as in ten million images."""

FILLED = ("images", "tags", "image_tags", "hidden_tags", "hidden_image_tags")

FILL = """
    SET LOCAL session_replication_role = replica;
    INSERT INTO images (id, created_by, status, filename, content_type, size, object_key, metadata, attributes,
            uploaded_at, inspected_at)
        SELECT (10000000000 + n * 60007) << 12, 'someone', CASE WHEN n %% 10 = 0 THEN 'pending' ELSE 'present' END,
            'a.dcm', 'application/dicom', 4, 'images/' || md5(n::text), '{}',
            jsonb_build_object('Modality', n %% 4, 'StudyDate', n %% 1000, 'ImageType', n %% 7),
            CASE WHEN n %% 10 > 0 THEN now() END, CASE WHEN n %% 10 > 0 THEN now() END
        FROM generate_series(1, %(images)s::bigint) n;
    INSERT INTO tags (id, name, folded, image_count) OVERRIDING SYSTEM VALUE
        SELECT n, n, n, CASE WHEN n <= 300 THEN %(images)s / 100 WHEN n = 301 THEN %(images)s / 10 ELSE 20 END
        FROM generate_series(1, 301 + %(images)s / 20) n;
    INSERT INTO image_tags SELECT (10000000000 + n * 60007) << 12, t FROM generate_series(1, %(images)s::bigint) n
        CROSS JOIN LATERAL unnest(ARRAY[
            1 + n %% 100, 101 + n * 7 %% 100, 201 + n * 13 %% 100, CASE WHEN n %% 10 = 0 THEN 301 ELSE 302 + n / 20 END
        ]) t WHERE t <= 301 + %(images)s / 20;
    INSERT INTO indexed_attributes (keyword, position, waits_for) VALUES ('Modality', 0, 3), ('StudyDate', 0, 3);
    SELECT setval('tags_id_seq', 1000000);
    INSERT INTO hidden_tags (keyword, value, image_count) SELECT 'Modality', n::text::jsonb, %(images)s / 4
        FROM generate_series(0, 3) n;
    INSERT INTO hidden_tags (keyword, value, image_count) SELECT 'StudyDate', n::text::jsonb, %(images)s / 1000
        FROM generate_series(0, 999) n;
    INSERT INTO hidden_image_tags SELECT (10000000000 + n * 60007) << 12, t
        FROM generate_series(1, %(images)s::bigint) n CROSS JOIN LATERAL unnest(
            CASE WHEN n %% 10 = 0 THEN ARRAY[1000001 + n %% 4, 1000005 + n %% 1000] ELSE ARRAY[1000001 + n %% 4] END
        ) t
    """

NO_STATISTICS = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', name);
        END LOOP;
    END $$
    """
"""The planner has to guess, as it does after a sudden growth; and it guesses the same each time."""


@pytest.fixture(scope="module")
def measured(stack: dict[str, Any]) -> Mapping[int, Counter[str]]:
    """By the number of images: the most buffers of each function in a transaction."""
    return {images: _measured(stack, images) for images in (SMALL, LARGE)}


def _measured(stack: dict[str, Any], images: int) -> Counter[str]:
    url = create_database(stack["database_url"], f"images_{images}")
    with pytest.MonkeyPatch.context() as patched, used_by_the_product(url):
        for module, name, value in (*maintenance.SMALLER, *maintenance.TIMES, *SMALLER):
            patched.setattr(module, name, value)
        patched.setenv("INDEXED_ATTRIBUTES", "Modality,StudyDate")
        migrations.upgrade()
        _fill(for_psycopg2(url), images)
        housekeeping.tidy()
        patched.setenv("INDEXED_ATTRIBUTES", "Modality,ImageType")
        settings.cache_clear()
        maintenance.give_work(for_psycopg2(url), "StudyDate", "ImageType")
        with maintenance.recorded() as most:
            maintenance.run()
            collection.vacuum(for_psycopg2(url))
            maintenance.run_single()
        return most


def _fill(url: str, images: int) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(NO_STATISTICS)
        building.take_off(cursor, FILLED)
        cursor.execute(FILL, {"images": images})
    building.put_back(url, FILLED)


def test_a_chunk_reads_no_more_in_a_larger_collection(measured: Mapping[int, Counter[str]]) -> None:
    small, large = measured[SMALL], measured[LARGE]

    grown = {name: (small[name], large[name]) for name in MOST if large[name] > 2 * small[name] + 500}

    assert grown.keys() <= GROWS_WITH_THE_TAG, grown


@pytest.mark.parametrize("images", [SMALL, LARGE])
def test_a_chunk_reads_no_more_than_its_rows_need(measured: Mapping[int, Counter[str]], images: int) -> None:
    read = {name: (buffers, MOST[name]) for name, buffers in measured[images].items() if name in MOST}

    assert not {name: both for name, both in read.items() if both[0] > both[1]}


def test_every_database_function_that_the_schedules_call_is_measured(measured: Mapping[int, Counter[str]]) -> None:
    assert maintenance.functions() == MOST.keys()
    assert all(most.keys() >= MOST.keys() for most in measured.values())
