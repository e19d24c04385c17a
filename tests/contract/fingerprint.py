"""All that callers can change in the database, as one value: whether a request has changed anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

_SEEN = {
    "images": "SELECT id, created_by, filename, content_type, size, checksum_sha256, metadata, deleted_at FROM images",
    "tags": "SELECT id, name FROM tags WHERE deleted_at IS NULL",
    "links": "SELECT image_id, tag_id FROM image_tags JOIN tags ON tags.id = tag_id WHERE deleted_at IS NULL",
    "binned links": """SELECT image_id, tag_id FROM binned_image_tags JOIN tags ON tags.id = tag_id
        WHERE deleted_at IS NULL""",
}
"""Without what comes about behind the requests: what the storage reports of a file and what is read from it, links of
deleted tags, counts, packed links."""

_SQL = " UNION ALL ".join(
    f"SELECT '{name}', count(*), sum(hashtextextended(seen::text, 0)) FROM ({sql}) AS seen"
    for name, sql in _SEEN.items()
)


@contextmanager
def reading(database_url: str) -> Iterator[Any]:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield connection
    connection.close()


def fingerprint(connection: Any) -> dict[str, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        return {name: (count, int(total or 0)) for name, count, total in cursor.fetchall()}
