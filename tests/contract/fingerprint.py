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


Fingerprint = dict[str, tuple[int, int]]


class Watch:
    """Looks at the rows again only if some transaction has written since it last did."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._written = -1
        self._seen: Fingerprint = {}

    def look(self) -> Fingerprint:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            (written,) = cursor.fetchone()
            if written != self._written:
                self._written = written
                cursor.execute(_SQL)
                self._seen = {name: (count, int(total or 0)) for name, count, total in cursor.fetchall()}
        return self._seen


@contextmanager
def watching(database_url: str) -> Iterator[Watch]:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield Watch(connection)
    connection.close()
