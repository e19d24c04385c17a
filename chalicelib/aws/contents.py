"""What an object holds, read without holding it."""

import hashlib
import time
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.clients import s3
from chalicelib.aws.storage import answering, status
from chalicelib.config import settings

CHUNK_BYTES = 1024**2
MOST_BREAKS = 20
"""So often the line may break within one object."""


@answering()
def checksum_sha256(key: str, etag: str, size: int, until: float) -> str | None:
    """Of its bytes, in hexadecimal; None when the object is no longer the one with this ETag. Raises TimeoutError
    when it is not through by then, on the clock of time.monotonic()."""
    digest = hashlib.sha256()
    try:
        for chunk in _chunks(key, etag, size, until):
            digest.update(chunk)
    except ClientError as error:
        if status(error) in (404, 412):
            return None
        raise
    return digest.hexdigest()


@answering()
def read(key: str, offset: int, length: int) -> bytes:
    """A part of the object, or as much of it as there is; empty when it has gone."""
    span = f"bytes={offset}-{offset + length - 1}"
    try:
        answer = s3().get_object(Bucket=settings().image_bucket, Key=key, Range=span)
    except ClientError as error:
        if status(error) == 404:
            return b""
        raise
    content: bytes = answer["Body"].read()
    return content


def _chunks(key: str, etag: str, size: int, until: float) -> Iterator[bytes]:
    """Goes on where the line broke."""
    read = breaks = 0
    while read < size:
        try:
            _check_time(until, read, size)
            for chunk in _chunks_from(key, etag, read):
                read += len(chunk)
                yield chunk
                _check_time(until, read, size)
        except BotoCoreError:
            breaks += 1
            if breaks > MOST_BREAKS:
                raise


def _check_time(until: float, read: int, size: int) -> None:
    if read < size and time.monotonic() >= until:
        raise TimeoutError(f"{read} of {size} bytes were read when time was up")


def _chunks_from(key: str, etag: str, start: int) -> Iterator[bytes]:
    part = {"Range": f"bytes={start}-"} if start else {}
    answer = s3().get_object(Bucket=settings().image_bucket, Key=key, IfMatch=etag, **part)
    chunks: Iterator[bytes] = answer["Body"].iter_chunks(CHUNK_BYTES)
    return chunks
