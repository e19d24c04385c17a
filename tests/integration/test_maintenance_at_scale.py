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

GROW = {
    "upkeep.purge_tag": "a deleted tag has one row of packed links for each block of 8,192 images",
}
"""Functions that may read more in a larger collection, and why it does not matter."""

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
    INSERT INTO hidden_image_tags SELECT (10000000000 + n * 60007) << 12, t FROM generate_series(1, %(images)s::bigint) n
        CROSS JOIN LATERAL unnest(CASE WHEN n %% 10 = 0 THEN ARRAY[1000001 + n %% 4, 1000005 + n %% 1000]
            ELSE ARRAY[1000001 + n %% 4] END) t
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

    grown = {name: (small[name], large[name]) for name in large if large[name] > 2 * small[name] + 500}

    assert grown.keys() <= GROW.keys(), grown


def test_every_database_function_that_the_schedules_call_is_measured(measured: Mapping[int, Counter[str]]) -> None:
    assert measured[SMALL].keys() >= maintenance.functions()
    assert measured[LARGE].keys() >= maintenance.functions()
