"""What the storage acknowledges is on disk: through a kill and a restart, and never when the disk takes no more."""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import eventually
from tests.files import JPEG
from tests.local.conftest import Stack, fresh_stack
from tests.local.emulation import Call, Emulation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

EMULATOR = "-m local.run_ministack"
NO_FILE_AT_ALL, NO_SIDECAR = 0, 100
"""Bytes that a file of the emulator may have: for a small image, its sidecar is larger than itself."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_stack() as stack:
        stack.start()
        yield stack


@contextmanager
def no_room(stack: Stack, file_bytes: int = NO_FILE_AT_ALL) -> Iterator[None]:
    """Every file of the emulator stays below this size, as on a disk that is full."""
    emulator = stack.one(EMULATOR)
    _, most = resource.prlimit(emulator, resource.RLIMIT_FSIZE)
    resource.prlimit(emulator, resource.RLIMIT_FSIZE, (file_bytes, most))
    try:
        yield
    finally:
        resource.prlimit(emulator, resource.RLIMIT_FSIZE, (most, most))


def restart_the_emulator(stack: Stack) -> None:
    """After `kill -9`."""
    killed = stack.one(EMULATOR)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in stack.processes(), of="its end")
    eventually(lambda: answers(stack), of="its successor")


def answers(stack: Stack) -> bool:
    try:
        return httpx.get(stack.description["aws_endpoint_url"] + "/_ministack/ready").status_code == 200
    except httpx.TransportError:
        return False


class Bucket:
    """As its owner, who tries each thing once."""

    def __init__(self, stack: Stack) -> None:
        described = stack.description
        self._named = {"Bucket": described["bucket"]}
        self.s3 = boto3.client(
            "s3",
            endpoint_url=described["aws_endpoint_url"],
            region_name=described["region"],
            aws_access_key_id=described["aws_access_key_id"],
            aws_secret_access_key=described["aws_secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def do(self, operation: str, **parameters: Any) -> Any:
        return getattr(self.s3, operation)(**self._named, **parameters)

    def fails(self, operation: str, **parameters: Any) -> None:
        """With the error that S3 has for it."""
        with pytest.raises(ClientError) as raised:
            self.do(operation, **parameters)
        answer = raised.value.response
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (500, "InternalError")

    def read(self, key: str, **version: str) -> bytes | None:
        try:
            content: bytes = self.do("get_object", Key=key, **version)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return content

    def versions(self, key: str) -> list[tuple[str, bool]]:
        answer = self.do("list_object_versions", Prefix=key)
        listed = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        return sorted((each["VersionId"], each["IsLatest"]) for each in listed)


@pytest.fixture
def bucket(stack: Stack) -> Bucket:
    return Bucket(stack)


def registered(client: httpx.Client) -> dict[str, Any]:
    body = {"filename": "a.jpg", "size": len(JPEG), "content_type": "image/jpeg"}
    upload: dict[str, Any] = client.post("images", json=body).raise_for_status().json()
    return upload


def put(upload: dict[str, Any]) -> httpx.Response:
    return httpx.put(upload["upload_url"], content=JPEG, headers=upload["upload_headers"])


def status(client: httpx.Client, image_id: int) -> str:
    return str(client.get(f"images/{image_id}").raise_for_status().json()["status"])


def reported(stack: Stack, image_id: int) -> list[str]:
    """What became of each event of the storage about this image."""
    lines = [json.loads(line) for line in Path(stack.description["log"]).read_text().splitlines() if line[:1] == "{"]
    records = [line for line in lines if line.get("message") == "storage record"]
    return [record["outcome"] for record in records if image_id in record["image_ids"]]


@pytest.mark.parametrize("file_bytes", [NO_FILE_AT_ALL, NO_SIDECAR])
def test_a_file_for_which_the_disk_has_no_room_is_refused_and_its_image_waits(stack: Stack, file_bytes: int) -> None:
    with stack.client() as client:
        upload = registered(client)
        with no_room(stack, file_bytes):
            refused = put(upload)
        assert (refused.status_code, "<Code>InternalError</Code>" in refused.text) == (500, True)
        assert status(client, upload["id"]) == "pending"

        assert put(upload).status_code == 200
        eventually(lambda: status(client, upload["id"]) == "present", of="the file")
    eventually(lambda: reported(stack, upload["id"]), of="the line about it in the log")
    assert reported(stack, upload["id"]) == ["present"]


def test_a_file_that_was_refused_is_not_there_after_a_restart(stack: Stack) -> None:
    with stack.client() as client:
        upload = registered(client)
        with no_room(stack, NO_SIDECAR):
            assert put(upload).status_code == 500

        restart_the_emulator(stack)

        assert put(upload).status_code == 200
        assert put(upload).status_code == 412


def test_an_upload_in_one_request_for_which_there_is_no_room_leaves_no_image(stack: Stack) -> None:
    asked: dict[str, Any] = {
        "params": {"filename": "one-request.jpg"},
        "headers": {"Content-Type": "image/jpeg"},
        "content": JPEG,
    }
    with stack.client() as client:
        with no_room(stack):
            assert client.post("upload", **asked).status_code == 503
        names = [image["filename"] for image in client.get("images").json()["results"]]
        assert "one-request.jpg" not in names

        assert client.post("upload", **asked).status_code == 201


def test_what_was_acknowledged_is_there_after_kill_9(stack: Stack, bucket: Bucket) -> None:
    first = bucket.do("put_object", Key="kept", Body=b"first", ContentType="application/dicom")["VersionId"]
    second = bucket.do("put_object", Key="kept", Body=b"second", ContentType="image/png")["VersionId"]
    bucket.do("copy_object", Key="copied", CopySource={"Bucket": stack.description["bucket"], "Key": "kept"})
    bucket.do("put_object", Key="hidden", Body=b"data")
    marker = bucket.do("delete_object", Key="hidden")["VersionId"]
    purged = bucket.do("put_object", Key="purged", Body=b"data")["VersionId"]
    bucket.do("delete_object", Key="purged", VersionId=purged)
    parts = {"Key": "parts", "UploadId": bucket.do("create_multipart_upload", Key="parts")["UploadId"]}
    etag = bucket.do("upload_part", **parts, PartNumber=1, Body=b"part")["ETag"]
    aborted = {"Key": "aborted", "UploadId": bucket.do("create_multipart_upload", Key="aborted")["UploadId"]}
    bucket.do("upload_part", **aborted, PartNumber=1, Body=b"part")
    bucket.do("abort_multipart_upload", **aborted)

    restart_the_emulator(stack)

    kept = bucket.do("get_object", Key="kept")
    assert (kept["Body"].read(), kept["ContentType"], kept["VersionId"]) == (b"second", "image/png", second)
    assert bucket.read("kept", VersionId=first) == b"first"
    assert bucket.versions("kept") == sorted([(first, False), (second, True)])
    assert bucket.read("copied") == b"second"
    assert (bucket.read("hidden"), (marker, True) in bucket.versions("hidden")) == (None, True)
    assert (bucket.read("purged"), bucket.versions("purged")) == (None, [])
    assert [each["ETag"] for each in bucket.do("list_parts", **parts)["Parts"]] == [etag]
    with pytest.raises(ClientError, match="NoSuchUpload"):
        bucket.do("list_parts", **aborted)
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    bucket.do("complete_multipart_upload", **parts, MultipartUpload=done)
    assert bucket.read("parts") == b"part"
    assert [*(stack.state / "emulator" / "uploads").iterdir()] == []


def test_an_object_from_parts_is_dated_by_the_beginning_of_its_upload_as_on_s3(stack: Stack, bucket: Bucket) -> None:
    parts = {"Key": "dated", "UploadId": bucket.do("create_multipart_upload", Key="dated")["UploadId"]}
    etag = bucket.do("upload_part", **parts, PartNumber=1, Body=b"part")["ETag"]
    (begun,) = [each["Initiated"] for each in bucket.do("list_multipart_uploads")["Uploads"] if each["Key"] == "dated"]
    eventually(lambda: time.time() > begun.timestamp() + 2, of="some time between the beginning and the end")

    bucket.do("complete_multipart_upload", **parts, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    bucket.do("put_object", Key="single", Body=b"data")

    for restart in (False, True):
        if restart:
            restart_the_emulator(stack)
        dates = {each["Key"]: each["LastModified"] for each in bucket.do("list_objects_v2")["Contents"]}
        assert int(dates["dated"].timestamp()) == int(begun.timestamp())
        assert int(bucket.do("head_object", Key="dated")["LastModified"].timestamp()) == int(begun.timestamp())
        assert dates["single"].timestamp() > begun.timestamp() + 1


def test_a_change_for_which_there_is_no_room_is_not_made(stack: Stack, bucket: Bucket) -> None:
    version = bucket.do("put_object", Key="old", Body=b"before")["VersionId"]
    parts = {"Key": "whole", "UploadId": bucket.do("create_multipart_upload", Key="whole")["UploadId"]}
    etag = bucket.do("upload_part", **parts, PartNumber=1, Body=b"part")["ETag"]
    done = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
    with no_room(stack, NO_SIDECAR):
        bucket.fails("put_object", Key="old", Body=b"after")
        bucket.fails("delete_object", Key="old")
        bucket.fails("delete_objects", Delete={"Objects": [{"Key": "old"}]})
        bucket.fails("copy_object", Key="copy", CopySource={"Bucket": stack.description["bucket"], "Key": "old"})
        bucket.fails("create_multipart_upload", Key="other")
        bucket.fails("upload_part", **parts, PartNumber=1, Body=b"another")
        bucket.fails("complete_multipart_upload", **parts, **done)

    for restart in (False, True):
        if restart:
            restart_the_emulator(stack)
        assert (bucket.read("old"), bucket.versions("old")) == (b"before", [(version, True)])
        assert (bucket.read("copy"), bucket.read("whole")) == (None, None)
        assert "other" not in [each["Key"] for each in bucket.do("list_multipart_uploads")["Uploads"]]
        assert [each["ETag"] for each in bucket.do("list_parts", **parts)["Parts"]] == [etag]

    bucket.do("complete_multipart_upload", **parts, **done)
    assert bucket.read("whole") == b"part"


def test_a_file_that_cannot_be_read_is_an_error_and_not_an_empty_file(stack: Stack, bucket: Bucket) -> None:
    bucket.do("put_object", Key="unreadable", Body=b"data")
    (file,) = (stack.state / "emulator" / "objects").rglob("unreadable")
    file.unlink()

    bucket.fails("get_object", Key="unreadable")


def test_an_upload_id_that_names_a_directory_removes_nothing(stack: Stack, bucket: Bucket) -> None:
    bucket.do("put_object", Key="kept-too", Body=b"data")
    upload = {"Key": "x", "UploadId": "../objects"}
    for operation, more in (
        ("upload_part", {"PartNumber": 1, "Body": b"data"}),
        ("complete_multipart_upload", {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}}),
        ("abort_multipart_upload", {}),
    ):
        with pytest.raises(ClientError, match="NoSuchUpload"):
            bucket.do(operation, **upload, **more)

    emulation = Emulation(stack.description, stack.state)
    call = Call("s3", "PUT", f"/{stack.description['bucket']}/x", {}, b"data", {"uploadId": "../objects"})
    assert emulation.send_signed(emulation.signed(call, emulation.key)).status == 200

    assert bucket.read("kept-too") == b"data"
