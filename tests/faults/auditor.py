"""Compares every promise with the database and the bucket."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from infrastructure.resources import STORED_IMAGES
from tests.conftest import aws_client
from tests.faults.promises import Image, Promises, State
from tests.faults.stack import Site
from tests.faults.timeline import Outcome, Timeline

_IMAGES = """
    SELECT i.id, i.filename, i.status, i.size, i.object_key, i.deleted_at IS NOT NULL, (i.metadata ->> 'note')::int,
        ARRAY(SELECT t.name FROM {links} l JOIN tags t ON t.id = l.tag_id
            WHERE l.image_id = i.id AND t.deleted_at IS NULL)
    FROM images i WHERE i.deleted_at IS {not_} NULL AND i.filename <> 'probe'"""
_QUERY = " UNION ALL ".join(
    [_IMAGES.format(links="image_tags", not_=""), _IMAGES.format(links="binned_image_tags", not_="NOT")]
)

_HALF_DONE = {
    "the count of a tag is not the number of its links": """
        SELECT name FROM tags t WHERE deleted_at IS NULL AND (SELECT count(*) FROM image_tags WHERE tag_id = t.id)
            <> image_count + (SELECT coalesce(sum(change), 0) FROM tag_count_changes WHERE tag_id = t.id)""",
    "an image in the bin has links": """
        SELECT i.id FROM images i JOIN image_tags ON image_id = i.id WHERE deleted_at IS NOT NULL""",
    "the list of untagged images is not that of images without links": """
        WITH bare AS (SELECT id FROM images i WHERE deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM image_tags WHERE image_id = i.id))
        (SELECT * FROM untagged_images EXCEPT SELECT * FROM bare)
        UNION ALL (SELECT * FROM bare EXCEPT SELECT * FROM untagged_images)""",
}


@dataclass(frozen=True)
class Row:
    id: int
    filename: str
    status: str
    size: int
    object_key: str
    state: State


class Auditor:
    def __init__(self, site: Site, timeline: Timeline, sql: Callable[[str], list[Any]] | None = None) -> None:
        """`sql` asks the database of the site, unless it is another."""
        self._sql = sql or site.sql
        self._timeline = timeline
        self._bucket = site.description["bucket"]
        self._s3 = aws_client(site.description, "s3")

    def compare(self, promises: Iterable[Promises]) -> None:
        rows = self._rows()
        kept = [*promises]
        images = [(image, rows.pop(image.filename, [])) for each in kept for image in each.images]
        for image, found in images:
            self._compare_image(image, found)
        self._compare_files([(image, row) for image, found in images for row in found if row.status == "present"])
        for filename in rows:
            self._timeline.note("doubled", 0, f"{filename} was asked for by nobody")
        self._compare_tags(kept)
        self._look_for_halves()
        self._timeline.strays = self._count_strays()

    def _rows(self) -> dict[str, list[Row]]:
        rows = defaultdict(list)
        for image_id, filename, status, size, key, binned, note, tags in self._sql(_QUERY):
            state = State(frozenset(tags), note, binned)
            rows[filename].append(Row(image_id, filename, status, size, key, state))
        return rows

    def _compare_image(self, image: Image, rows: list[Row]) -> None:
        told = [row for row in rows if row.id == image.id]
        untold = [row for row in rows if row.id != image.id]
        if image.id is not None and not told:
            self._note("lost", image, "there is no such image")
        if len(untold) > image.most_untold:
            self._note("doubled", image, f"{len(untold)} images where {image.most_untold} may be")
        for row in told:
            if row.state not in image.states:
                outcome: Outcome = "lost" if len(image.states) == 1 else "half-done"
                self._note(outcome, image, f"{row.state} instead of {image.states}")
            self._compare_status(image, row)
        for row in untold:
            if row.state != image.untold:
                self._note("half-done", image, f"{row.state} instead of {image.untold}, of a try without an answer")

    def _compare_status(self, image: Image, row: Row) -> None:
        expected = {"promised": {"present"}, "none": {"pending"}, "maybe": {"pending", "present"}}[image.file]
        if row.status not in expected:
            self._note("lost", image, f"its file is {row.status}, the storage said that it is {image.file}")

    def _compare_files(self, present: list[tuple[Image, Row]]) -> None:
        with ThreadPoolExecutor(4) as threads:
            contents = threads.map(self._read, [row.object_key for _, row in present])
        for (image, row), content in zip(present, contents, strict=True):
            if content != image.content or row.size != len(image.content):
                self._note("lost", image, f"its file of {len(image.content)} bytes is {content!r}")

    def _read(self, key: str) -> bytes | None:
        try:
            content: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return content

    def _count_strays(self) -> int:
        known = {key for (key,) in self._sql("SELECT object_key FROM images")}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=STORED_IMAGES)
        return sum(each["Key"] not in known for page in pages for each in page.get("Contents", []))

    def _compare_tags(self, promises: list[Promises]) -> None:
        found = dict(self._sql("SELECT name, id FROM tags WHERE deleted_at IS NULL AND name <> 'probe'"))
        expected = {name: tag_id for each in promises for name, tag_id in each.tags.items()}
        for name in expected.keys() - found.keys():
            self._timeline.note("lost", 0, f"there is no tag {name}")
        for name in found.keys() - expected.keys():
            self._timeline.note("half-done", 0, f"there still is, or is again, a tag {name}")
        for name in found.keys() & expected.keys():
            if found[name] != expected[name]:
                self._timeline.note("doubled", 0, f"the tag {name} is {found[name]} instead of {expected[name]}")

    def _look_for_halves(self) -> None:
        for what, query in _HALF_DONE.items():
            for (which,) in self._sql(query):
                self._timeline.note("half-done", 0, f"{what}: {which}")

    def _note(self, outcome: Outcome, image: Image, what: str) -> None:
        self._timeline.note(outcome, image.at, f"{image.filename} ({image.id}): {what}")
