"""Does the service's memory stay flat, however large a file is, and how long does it take to verify one?

    .venv/bin/python benchmarks/large_files.py --megabytes 100 6000 5000000

Registers a file with its checksum, gets the URLs of its parts page by page, completes it and takes in the storage's
event, which reads the file and compares; files of more than 50 GB declare no checksum. The storage is a small S3 of
this benchmark's that makes up the file as it is read, so that 6 GB need neither disk nor memory; PostgreSQL is real.
The service runs in a process of its own for each file; the table has the memory that it had before and at most
(resident, MB), and the time that each step took.
"""

import argparse
import hashlib
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import server
from local import environment

BLOCK = hashlib.shake_256(b"a file that never was").digest(1024**2)
ETAG = '"00000000000000000000000000000000-96"'
SETTINGS = {
    "IMAGE_BUCKET": "made-up",
    "ACCESS_LOG_TABLE": "none",
    "USER_POOL_ARN": "none",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "LOG_LEVEL": "ERROR",
}
COLUMNS = ("MB", "parts", "pages", "paging, s", "verifying, s", "MB/s", "before", "at most", "status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 6000, 5_000_000])
    sizes = [megabytes * 1_000_000 for megabytes in parser.parse_args().megabytes]
    with server.named_or_own(None) as dsn:
        os.environ |= SETTINGS | environment.database(dsn)
        from chalicelib.database import migrations

        migrations.upgrade()
        print("".join(f"{column:>14}" for column in COLUMNS))
        for size in sizes:
            print("".join(f"{value:>14}" for value in _measured(size)), flush=True)


def _measured(size: int) -> tuple[Any, ...]:
    fresh = multiprocessing.get_context("spawn")
    with _storage(size) as url, ProcessPoolExecutor(1, mp_context=fresh) as process:
        return process.submit(_upload, size, url).result()


def _upload(size: int, storage_url: str) -> tuple[Any, ...]:
    """What the requests and the event do, in this process."""
    os.environ["AWS_ENDPOINT_URL"] = storage_url
    from chalicelib.database.engine import transaction
    from chalicelib.database.tables import Image
    from chalicelib.events import storage as events
    from chalicelib.services import multipart, uploads
    from chalicelib.services.callers import Caller, Permission
    from chalicelib.services.limits import MAX_VERIFIED_BYTES

    caller = Caller("someone", "app", Permission.WRITE)
    declared = _checksum(size) if size <= MAX_VERIFIED_BYTES else None
    draft = uploads.Draft("large.dcm", "application/dicom", size, declared)
    with transaction() as session:
        image, _ = uploads.register(session, caller, draft)
        image_id, key = image.id, image.object_key
    started, before = time.monotonic(), _greatest_memory()
    parts: list[multipart.PresignedPart] = []
    following: int | None = 1
    pages = 0
    while following is not None:
        with transaction() as session:
            page = multipart.renew(session, caller, image_id, multipart=True, first_part=following)
        assert isinstance(page, multipart.PresignedParts)
        parts, following, pages = parts + page.parts, page.next_part, pages + 1
    paged = time.monotonic()
    with transaction() as session:
        multipart.complete(session, caller, image_id, {part.number: ETAG for part in parts})
    completed = time.monotonic()
    events.take_in([{"eventName": "ObjectCreated", "s3": {"object": {"key": key, "sequencer": "0A"}}}])
    verifying = time.monotonic() - completed
    with transaction() as session:
        status = session.get_one(Image, image_id).status
    times = f"{paged - started:.2f}", f"{verifying:.1f}", f"{size / 1e6 / verifying:.0f}" if declared else "-"
    return (size // 1_000_000, len(parts), pages, *times, before, _greatest_memory(), status)


def _greatest_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _checksum(size: int) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(size, 0):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(size: int, start: int) -> Iterator[bytes]:
    """Of the file from a byte on: one block again and again."""
    while start < size:
        offset = start % len(BLOCK)
        piece = BLOCK[offset : offset + size - start]
        yield piece
        start += len(piece)


class MadeUpStorage(BaseHTTPRequestHandler):
    """As much of S3 as one multipart upload needs: begin, list the parts, complete, HEAD and GET."""

    protocol_version = "HTTP/1.1"
    size = 0
    is_complete = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        begins = "uploads" in self._query()
        type(self).is_complete = not begins
        self._answer("InitiateMultipartUpload" if begins else "CompleteMultipartUpload", "<UploadId>u</UploadId>")

    def do_HEAD(self) -> None:
        self._begin(200 if self.is_complete else 404, self.size)

    def do_GET(self) -> None:
        if "uploadId" in self._query():
            self._answer("ListParts", "")
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self._begin(206 if start else 200, self.size - start)
        for piece in _pieces(self.size, start):
            self.wfile.write(piece)

    def log_message(self, *_: Any) -> None:
        pass

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _answer(self, operation: str, content: str) -> None:
        xml = f"<{operation}Result>{content}</{operation}Result>".encode()
        self._begin(200, len(xml))
        self.wfile.write(xml)

    def _begin(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", ETAG)
        self.send_header("Last-Modified", self.date_time_string())
        self.end_headers()


@contextmanager
def _storage(size: int) -> Iterator[str]:
    """In a process of its own; its URL."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(size, there), daemon=True)
    process.start()
    yield here.recv()
    process.kill()
    process.join()


def _serve(size: int, tell: Connection) -> None:
    MadeUpStorage.size = size
    listening = ThreadingHTTPServer(("127.0.0.1", 0), MadeUpStorage)
    tell.send(f"http://127.0.0.1:{listening.server_port}")
    listening.serve_forever()


if __name__ == "__main__":
    main()
