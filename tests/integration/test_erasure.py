"""What a purged image leaves in the database: its id in bookkeeping, names of tags, values of indexed attributes."""

import math
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from chalicelib.config import settings
from chalicelib.events import housekeeping, indexing, purge
from tests.integration.test_purge import an_old_image

MARK = "quxmarker"
"""In every text of the image that its owner chose."""


@pytest.fixture(autouse=True)
def indexed_modality(committed: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("INDEXED_ATTRIBUTES", "Modality")
        settings.cache_clear()
        indexing.index_attributes(math.inf)
        yield
    settings.cache_clear()


def tables_with(engine: Engine, words: str) -> set[str]:
    """Return the tables that have a row with these words in any column."""
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).scalars()
        return {
            table
            for table in tables.all()
            if connection.exec_driver_sql(
                f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, %s) > 0)",
                (words,),
            ).scalar_one()
        }


def test_after_the_purge_only_tag_names_indexed_values_and_ids_in_bookkeeping_are_left(committed: Engine) -> None:
    image_id, key = an_old_image(
        committed,
        settings().bin_days + 1,
        f"{MARK} tag",
        filename=f"{MARK}.dcm",
        metadata={"note": MARK},
        attributes={"Modality": MARK, "Manufacturer": f"{MARK}'s"},
        checksum_sha256="ab" * 32,
    )
    housekeeping.tidy()
    assert {"images", "tags", "hidden_tags"} <= tables_with(committed, MARK)

    purge.purge()
    housekeeping.tidy()

    assert tables_with(committed, MARK) == {"tags", "hidden_tags"}
    assert tables_with(committed, f"{MARK}'s") == set()
    assert tables_with(committed, key) == set()
    assert tables_with(committed, "ab" * 32) == set()
    assert tables_with(committed, str(image_id)) <= {"packed_blocks", "changed_images"}
