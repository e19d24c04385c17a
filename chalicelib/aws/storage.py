"""The image bucket."""

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws import signing
from chalicelib.aws.clients import credentials, s3
from chalicelib.config import settings
from chalicelib.errors import Unavailable

SINGLE_PUT_BYTES = 5 * 1024**3
"""S3's limit for one PUT; its limit for a part of a multipart upload is the same."""


PREVIEW_TYPE = "image/webp"

NOT_THE_CALLERS = frozenset({"RequestTimeTooSkewed", "ExpiredToken", "InvalidToken", "403"})
"""Codes of errors that no caller has caused: the clock of this process is wrong, or its credentials have expired. The
answer to a HEAD has no code but the status."""

INERT_TYPES = frozenset(
    {
        "application/dicom",
        "application/gzip",
        "application/x-nifti",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/jp2",
        "image/jpeg",
        "image/jxl",
        "image/png",
        "image/tiff",
        "image/webp",
        "image/x-nifti",
    }
)
"""Which no browser runs anything of. SVG and whatever else is XML is not among them."""


@dataclass(frozen=True)
class Stored:
    """What the storage reports of an object."""

    size: int
    checksum_sha256: str | None
    """Hex; None where the storage keeps no SHA-256 of the whole object."""
    stored_at: datetime
    etag: str = ""

    @property
    def in_parts(self) -> bool:
        """Whether it was put together from the parts of a multipart upload: the end of its ETag is their number."""
        return "-" in self.etag


@dataclass(frozen=True)
class PresignedUpload:
    url: str
    headers: dict[str, str]
    """To be sent exactly; Content-Length, signed too, is left to the HTTP client, since browsers allow no other way."""
    expires_timestamp: int


@dataclass(frozen=True)
class PresignedDownload:
    url: str
    expires_timestamp: int


def presigned_upload(key: str, size: int, content_type: str, checksum_sha256: str | None) -> PresignedUpload:
    """One PUT of exactly this; the storage refuses another size, type or checksum, and a second PUT."""
    parameters = {"ContentLength": size, "ContentType": content_type, "IfNoneMatch": "*"}
    headers = {"Content-Type": content_type, "If-None-Match": "*"}
    if checksum_sha256:
        parameters["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = _base64_of_hex(checksum_sha256)
    url, expires = presigned("put_object", settings().upload_url_seconds, Key=key, **parameters)
    return PresignedUpload(url, headers, expires)


def presigned_download(key: str, filename: str, content_type: str) -> PresignedDownload:
    """A GET that saves the object under this filename, and that no browser takes for a page or a script."""
    return _presigned_get(key, content_disposition(filename), inert_type(content_type))


@lru_cache(maxsize=64)
def inert_type(declared: str) -> str:
    """The declared type without its parameters; of one that is not known to be harmless, that of mere bytes."""
    kind = declared.partition(";")[0].strip().lower()
    return kind if kind in INERT_TYPES else "application/octet-stream"


def presigned_preview(key: str) -> str:
    """A GET that a browser shows in place."""
    return _presigned_get(preview_key(key), "inline", PREVIEW_TYPE).url


def preview_key(key: str) -> str:
    """Of the preview of the image with this key; below a prefix of its own, of which S3 tells no events."""
    return f"previews/{key.removeprefix('images/')}"


def content_disposition(filename: str) -> str:
    """RFC 6266: the exact name in `filename*`, an ASCII likeness for those who do not know it."""
    likeness = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{likeness}\"; filename*=UTF-8''{quote(filename, safe='')}"


@contextmanager
def answering() -> Iterator[None]:
    """Raises Unavailable when S3 does not answer, fails on its side, or refuses the clock or the credentials of this
    process, which the next request may have again in order."""
    try:
        yield
    except BotoCoreError as error:
        raise Unavailable("The image storage does not answer just now; try again.") from error
    except ClientError as error:
        if status(error) >= 500 or error.response["Error"]["Code"] in NOT_THE_CALLERS:
            raise Unavailable("The image storage fails just now; try again.") from error
        raise


@answering()
def put(key: str, data: bytes, content_type: str) -> Stored:
    """The storage compares what it received with our checksum before it answers."""
    checksum = hashlib.sha256(data).hexdigest()
    s3().put_object(
        Bucket=settings().image_bucket,
        Key=key,
        Body=data,
        ContentType=content_type,
        ChecksumSHA256=_base64_of_hex(checksum),
    )
    return Stored(len(data), checksum, datetime.now(UTC))


@answering()
def head(key: str) -> Stored | None:
    try:
        answer = s3().head_object(Bucket=settings().image_bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if status(error) == 404:
            return None
        raise
    whole = answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    checksum = answer.get("ChecksumSHA256") if whole else None
    return Stored(
        answer["ContentLength"], checksum and _hex_of_base64(checksum), answer["LastModified"], answer["ETag"]
    )


@answering()
def presigned(operation: str, seconds: int, **parameters: Any) -> tuple[str, int]:
    """Return a URL for one operation of the S3 API, and when it expires: after these seconds, or with the credentials
    that it is signed with."""
    client, signer = s3(), credentials()  # before the clock is read: a first use may take a second
    now = int(time.time())
    seconds = signer.seconds_good(seconds, now)
    url: str = client.generate_presigned_url(
        operation, Params={"Bucket": settings().image_bucket, **parameters}, ExpiresIn=seconds
    )
    return url, now + seconds


@answering()
def _presigned_get(key: str, disposition: str, content_type: str) -> PresignedDownload:
    bucket, signer, now = signing.place_of(s3(), settings().image_bucket), credentials(), int(time.time())
    seconds = signer.seconds_good(settings().download_url_seconds, now)
    url = signing.presigned_get(bucket, signer, key, disposition, content_type, seconds, now)
    return PresignedDownload(url, now + seconds)


def _base64_of_hex(checksum: str) -> str:
    return base64.b64encode(bytes.fromhex(checksum)).decode()


def _hex_of_base64(checksum: str) -> str:
    return base64.b64decode(checksum).hex()


def status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
