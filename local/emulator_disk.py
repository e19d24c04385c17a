"""Makes the emulator's S3 answer a write only when it is on disk, and have none of it when that fails.

By itself the emulator answers from memory and logs it when the disk is full. A request runs from start to end without
another in between, so what it did in memory can be taken back.
"""

import contextlib
import copy
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import disk_changes
from local.disk_changes import Changes
from local.emulator_parts import Uploads

_OF_EACH_VERSION = ("_object_tags", "_object_acl", "_object_annotations", "_object_retention", "_object_legal_hold")

Answer = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Before the emulator reads what is on disk."""
    directory = Path(os.environ["S3_DATA_DIR"]).parent
    disk_changes.recover(directory / "changes")
    s3 = importlib.import_module("ministack.services.s3")
    Durability(s3, directory / "changes", Uploads(s3, directory / "uploads"))


class Durability:
    """Stands in for the emulator's own functions that write, read and send events."""

    def __init__(self, s3: Any, directory: Path, uploads: Uploads) -> None:
        self._s3, self._directory, self._uploads = s3, directory, uploads
        self._dispatch, self._send_event = s3._dispatch, s3._fire_s3_event_async
        self._changes: Changes | None = None
        self._failure: OSError | None = None
        self._events: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        s3._dispatch, s3._fire_s3_event_async = self.dispatch, self.send_event
        s3._atomic_write, s3._read_body, s3.os = self.write, self.read, _Os(self)

    def dispatch(self, method: str, bucket: str, key: str, headers: Any, body: bytes, query: Any) -> Answer:
        if method in ("GET", "HEAD"):
            return self._answered(lambda: self._dispatch(method, bucket, key, headers, body, query), bucket, key)
        self._changes, self._failure, self._events = Changes(self._directory), None, []
        take_back = _remembered(self._s3, bucket, key, query)
        try:
            answer = self._answered(lambda: self._write(method, bucket, key, headers, body, query), bucket, key)
            if answer[0] >= 400:
                self._changes.discard()
                take_back()
                return answer
        except BaseException:
            self._changes.discard()
            take_back()
            raise
        finally:
            self._changes = None
        self._uploads.forget_ended(query)
        for arguments, named in self._events:
            self._send_event(*arguments, **named)
        return answer

    def _write(self, method: str, bucket: str, key: str, headers: Any, body: bytes, query: Any) -> Answer:
        assert self._changes is not None  # noqa: S101
        with self._uploads.dated(method, query):
            answer: Answer = self._dispatch(method, bucket, key, headers, body, query)
        if answer[0] < 400:
            self._uploads.keep(self._changes, method, query, answer[2])
            if self._failure is not None:  # the emulator has logged it, and gone on
                raise self._failure
            self._changes.commit()
            for version in self._s3._object_versions.get((bucket, key)) or []:
                version["data"] = None  # it would stay in memory until the end
        return answer

    def _answered(self, ask: Callable[[], Answer], bucket: str, key: str) -> Answer:
        try:
            return ask()
        except OSError as error:
            with contextlib.suppress(OSError):  # the log may be on the same disk
                print(f"The disk failed on /{bucket}/{key}: {error}", file=sys.stderr, flush=True)
            said = "We encountered an internal error. Please try again."
            answer: Answer = self._s3._error("InternalError", said, 500, f"/{bucket}/{key}")
            return answer

    def write(self, path: str, data: bytes | str, **_: Any) -> None:
        content = data.encode() if isinstance(data, str) else data
        self.note(lambda changes: changes.write(Path(path), content))

    def note(self, change: Callable[[Changes], None]) -> None:
        """For the commit of the request that is being answered."""
        if self._changes is None:
            raise OSError("a change of the storage outside a request")
        try:
            change(self._changes)
        except OSError as error:
            self._failure = error
            raise

    def read(self, bucket: str, key: str, record: dict[str, Any]) -> bytes:
        """Raises OSError, where the emulator would answer with an empty file."""
        body: bytes | None = record.get("body")
        try:
            return Path(self._s3._object_disk_path(bucket, key)).read_bytes() if body is None else body
        except FileNotFoundError:
            raise  # there is nothing that a write could have to preserve
        except OSError as error:
            self._failure = error
            raise

    def send_event(self, *arguments: Any, **named: Any) -> None:
        """When the answer is certain."""
        self._events.append((arguments, named))


class _Os:
    """The module `os`, but what changes the disk waits for the commit."""

    def __init__(self, durability: Durability) -> None:
        self._durability = durability

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def makedirs(self, path: str, **_: Any) -> None:
        self._durability.note(lambda changes: changes.make_directories(Path(path)))

    def remove(self, path: str) -> None:
        self._durability.note(lambda changes: changes.remove(Path(path)))


def _remembered(s3: Any, bucket: str, key: str, query: Any) -> Callable[[], None]:
    """Returns a function that restores what the emulator's memory holds now of an object, its versions and its
    upload."""
    upload_id = s3._qp(query, "uploadId")
    objects = (s3._buckets.get(bucket) or {"objects": {}})["objects"]
    keys = [key] if key else [*objects] if "delete" in query else []  # DeleteObjects names its keys in the body
    saved: list[tuple[Any, Any, Any]] = [(s3._buckets, bucket, s3._buckets.get(bucket))]
    for each in keys:
        saved.append((objects, each, copy.deepcopy(objects.get(each))))
        versions = s3._object_versions.get((bucket, each))
        saved.append((s3._object_versions, (bucket, each), copy.deepcopy(versions)))
        for version in (None, *(known["version_id"] for known in versions or [])):
            stores = [getattr(s3, name) for name in _OF_EACH_VERSION]
            saved += [(store, (bucket, each, version), store.get((bucket, each, version))) for store in stores]
    begun, upload = set(s3._multipart_uploads), s3._multipart_uploads.get(upload_id)
    saved.append((s3._multipart_uploads, upload_id, upload and {**upload, "parts": dict(upload["parts"])}))
    saved.append((s3._completed_multipart_uploads, upload_id, s3._completed_multipart_uploads.get(upload_id)))

    def take_back() -> None:
        for new in set(s3._multipart_uploads) - begun:
            del s3._multipart_uploads[new]
        for store, place, value in saved:
            if value is None:
                store.pop(place, None)
            else:
                store[place] = value

    return take_back
