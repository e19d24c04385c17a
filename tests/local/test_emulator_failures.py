"""A fault inside the emulator while it answers a write."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import disk_changes
from local.emulator_disk import _OF_EACH_VERSION, Durability
from local.emulator_parts import Uploads


class Emulator(SimpleNamespace):
    """The names of the emulator's S3 that are used, with a fault after an object was stored."""

    def __init__(self, file: Path) -> None:
        super().__init__(**{name: {} for name in _OF_EACH_VERSION})
        self._buckets: dict[str, Any] = {"bucket": {"objects": {"old": {"etag": "before"}}}}
        self._object_versions: dict[Any, Any] = {}
        self._multipart_uploads: dict[str, Any] = {}
        self._completed_multipart_uploads: dict[str, Any] = {}
        self._fire_s3_event_async, self._qp = lambda *_: None, lambda query, name: query.get(name, "")
        self._file = file

    def _dispatch(self, _method: str, bucket: str, key: str, *_: Any) -> Any:
        self._buckets[bucket]["objects"][key] = {"etag": "after"}
        self._atomic_write(str(self._file), b"data")
        raise KeyError("a fault")


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    disk_changes.recover(tmp_path / "changes")
    emulator = Emulator(tmp_path / "file")
    Durability(emulator, tmp_path / "changes", Uploads(emulator, tmp_path / "uploads"))
    return emulator


def test_a_fault_of_the_emulator_leaves_neither_memory_nor_files(emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        emulator._dispatch("PUT", "bucket", "old", {}, b"data", {})
    with pytest.raises(KeyError):
        emulator._dispatch("PUT", "bucket", "new", {}, b"data", {})

    assert emulator._buckets == {"bucket": {"objects": {"old": {"etag": "before"}}}}
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
