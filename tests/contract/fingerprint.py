"""What callers can change, as one value: whether a request has changed anything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import psycopg2
from botocore.config import Config

_LINKS = {
    "links": "SELECT image_id, tag_id FROM image_tags JOIN tags ON tags.id = tag_id WHERE deleted_at IS NULL",
    "binned links": """SELECT image_id, tag_id FROM binned_image_tags JOIN tags ON tags.id = tag_id
        WHERE deleted_at IS NULL""",
}
BY_CALLERS = {
    "images": """SELECT id, created_by, filename, content_type, size, checksum_sha256, object_key, metadata, deleted_at
        FROM images""",
    "tags": "SELECT id, name FROM tags WHERE deleted_at IS NULL",
    **_LINKS,
}
"""Without what comes about after the requests: what the storage reports of a file and what is read from it, links of
deleted tags, counts, packed links."""

_ALL = {
    "images": "SELECT * FROM images",
    "tags": "SELECT id, name, folded, deleted_at FROM tags",
    "first answers": "SELECT * FROM first_answers",
    **_LINKS,
}
"""Every column, where no file is on its way. Without counts and packed links, which upkeep changes at any time."""


Fingerprint = dict[str, Any]


class Watch:
    """Looks at the rows again only if some transaction has written since it last did."""

    def __init__(self, connection: Any, seen: dict[str, str], bucket: Callable[[], Fingerprint] = dict) -> None:
        self._connection = connection
        self._bucket = bucket
        self._sql = " UNION ALL ".join(
            f"SELECT '{name}', count(*), sum(hashtextextended(seen::text, 0)) FROM ({sql}) AS seen"
            for name, sql in seen.items()
        )
        self._written = -1
        self._rows: Fingerprint = {}

    def look(self) -> Fingerprint:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            (written,) = cursor.fetchone()
            if written != self._written:
                self._written = written
                cursor.execute(self._sql)
                self._rows = {name: (count, int(total or 0)) for name, count, total in cursor.fetchall()}
        return self._rows | self._bucket()


@contextmanager
def watching(database_url: str) -> Iterator[Watch]:
    """What callers change, while other tests' files may still be on their way."""
    with _connected(database_url) as connection:
        yield Watch(connection, BY_CALLERS)


@contextmanager
def watching_all(stack: dict[str, Any]) -> Iterator[Watch]:
    """Every column, and the bucket, of a stack in which nothing else happens."""
    s3 = boto3.client(
        "s3",
        region_name=stack["region"],
        endpoint_url=stack["aws_endpoint_url"],
        aws_access_key_id=stack["aws_access_key_id"],
        aws_secret_access_key=stack["aws_secret_access_key"],
        config=Config(s3={"addressing_style": "path"}),
    )

    def bucket() -> Fingerprint:
        versions = s3.list_object_versions(Bucket=stack["bucket"])
        uploads = s3.list_multipart_uploads(Bucket=stack["bucket"])
        return {
            "objects": [(one["Key"], one["VersionId"], one["ETag"]) for one in versions.get("Versions", [])],
            "delete markers": [(one["Key"], one["VersionId"]) for one in versions.get("DeleteMarkers", [])],
            "multipart uploads": [(one["Key"], one["UploadId"]) for one in uploads.get("Uploads", [])],
        }

    with _connected(stack["database_url"]) as connection:
        yield Watch(connection, _ALL, bucket)


@contextmanager
def _connected(database_url: str) -> Iterator[Any]:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield connection
    connection.close()
