"""Multipart uploads to the image bucket."""

from collections.abc import Mapping
from typing import NamedTuple

from botocore.exceptions import ClientError

from chalicelib.aws.clients import s3
from chalicelib.aws.storage import answering, presigned, status
from chalicelib.config import settings


class UploadedPart(NamedTuple):
    etag: str
    size: int


@answering()
def begin(key: str, content_type: str) -> str:
    answer = s3().create_multipart_upload(Bucket=settings().image_bucket, Key=key, ContentType=content_type)
    upload_id: str = answer["UploadId"]
    return upload_id


def presigned_parts(key: str, upload_id: str, sizes: Mapping[int, int]) -> tuple[dict[int, str], int]:
    """By the numbers of the parts: a URL for a PUT of exactly the part's size; and when they expire."""
    seconds, parameters = settings().upload_url_seconds, {"Key": key, "UploadId": upload_id}
    signed = {
        number: presigned("upload_part", seconds, **parameters, PartNumber=number, ContentLength=size)
        for number, size in sizes.items()
    }
    return {number: url for number, (url, _) in signed.items()}, min(expires for _, expires in signed.values())


@answering()
def uploaded(key: str, upload_id: str, after: int, most: int) -> dict[int, UploadedPart] | None:
    """Parts behind the number `after` that the storage has, by their numbers. None once the upload was completed or
    aborted, or a lifecycle rule swept it away."""
    named = {"Bucket": settings().image_bucket, "Key": key, "UploadId": upload_id}
    try:
        answer = s3().list_parts(**named, PartNumberMarker=after, MaxParts=most)
    except ClientError as error:
        if status(error) == 404:
            return None
        raise
    return {part["PartNumber"]: UploadedPart(part["ETag"], part["Size"]) for part in answer.get("Parts", [])}


@answering()
def complete(key: str, upload_id: str, etags: Mapping[int, str], size: int) -> str | None:
    """Make one object of this size of the parts, unless there is an object already: a file that came by a single PUT
    must not be replaced. Return why the storage refused, or None."""
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
    named = {"Bucket": settings().image_bucket, "Key": key, "UploadId": upload_id}
    try:
        s3().complete_multipart_upload(**named, MultipartUpload={"Parts": parts}, MpuObjectSize=size, IfNoneMatch="*")
    except ClientError as error:
        if status(error) < 500:
            return str(error.response["Error"]["Message"])
        raise
    return None


@answering()
def abort(key: str, upload_id: str) -> None:
    """What was uploaded is gone, and nothing more can be; one that is gone already is fine."""
    try:
        s3().abort_multipart_upload(Bucket=settings().image_bucket, Key=key, UploadId=upload_id)
    except ClientError as error:
        if status(error) != 404:
            raise
