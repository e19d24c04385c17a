"""Keeps the emulator's multipart uploads on disk: by itself it has them in memory only. Dates their objects as S3
does."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.disk_changes import Changes

_UPLOAD = "upload.meta.json"
_SIDECAR = ".meta.json"


class _Part(dict[str, Any]):
    """What the emulator knows of a part; its bytes are read when they are needed."""

    def __init__(self, described: dict[str, Any], file: Path) -> None:
        super().__init__(described)
        self._file = file

    def __getitem__(self, name: str) -> Any:
        return self._file.read_bytes() if name == "body" else super().__getitem__(name)


class Uploads:
    """A directory for each upload; in it a file for what was asked, and two for each part."""

    def __init__(self, s3: Any, directory: Path) -> None:
        self._s3, self._directory = s3, directory
        self._kept: set[str] = set()
        directory.mkdir(mode=0o700, exist_ok=True)
        for upload in directory.iterdir():
            self._load(upload)

    def keep(self, changes: Changes, method: str, query: Any, answer: bytes) -> None:
        """What a request that succeeded has begun, added or ended."""
        upload_id = self._s3._qp(query, "uploadId")
        if method == "POST" and "uploads" in query:
            found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer)
            assert found is not None  # noqa: S101
            self._keep_upload(changes, found[1].decode())
        elif method == "PUT" and "uploadId" in query and "partNumber" in query:
            self._keep_part(changes, upload_id, int(self._s3._qp(query, "partNumber")))
        elif self._has_ended(upload_id):
            changes.remove(self._directory / upload_id / _UPLOAD)

    @contextmanager
    def dated(self, method: str, query: Any) -> Iterator[None]:
        """Gives an object that is put together meanwhile the date on which its upload was begun, as S3 does."""
        upload = self._s3._multipart_uploads.get(self._s3._qp(query, "uploadId"))
        if upload is None or method != "POST":
            yield
            return
        now, self._s3.now_iso = self._s3.now_iso, lambda: upload["created"]
        try:
            yield
        finally:
            self._s3.now_iso = now

    def forget_ended(self, query: Any) -> None:
        """After a request that completed or aborted its upload. What a kill leaves, the next start removes."""
        upload_id = self._s3._qp(query, "uploadId")
        if self._has_ended(upload_id):
            self._kept.remove(upload_id)
            shutil.rmtree(self._directory / upload_id, ignore_errors=True)

    def _has_ended(self, upload_id: str) -> bool:
        return upload_id in self._kept and upload_id not in self._s3._multipart_uploads

    def _keep_upload(self, changes: Changes, upload_id: str) -> None:
        described = {name: value for name, value in self._upload(upload_id).items() if name != "parts"}
        described["account"] = self._s3.get_account_id()
        self._kept.add(upload_id)
        changes.make_directories(self._directory / upload_id)
        changes.write(self._directory / upload_id / _UPLOAD, json.dumps(described).encode())

    def _keep_part(self, changes: Changes, upload_id: str, number: int) -> None:
        parts, file = self._upload(upload_id)["parts"], self._directory / upload_id / str(number)
        described = {name: value for name, value in parts[number].items() if name != "body"}
        changes.write(file, parts[number]["body"])
        changes.write(file.with_name(file.name + _SIDECAR), json.dumps(described).encode())
        parts[number] = _Part(described, file)

    def _upload(self, upload_id: str) -> dict[str, Any]:
        upload: dict[str, Any] = self._s3._multipart_uploads[upload_id]
        return upload

    def _load(self, directory: Path) -> None:
        if not (directory / _UPLOAD).exists():  # it had ended, or its beginning was never answered
            shutil.rmtree(directory)
            return
        self._kept.add(directory.name)
        described = json.loads((directory / _UPLOAD).read_text())
        files = [file for file in directory.iterdir() if file.name.isdigit()]
        parts = {int(file.name): _Part(json.loads(Path(f"{file}{_SIDECAR}").read_text()), file) for file in files}
        self._s3._multipart_uploads._data[described.pop("account"), directory.name] = {**described, "parts": parts}
