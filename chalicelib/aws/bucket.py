"""The image bucket as a whole: what lies in it, and taking away."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from chalicelib.aws.clients import s3
from chalicelib.aws.storage import answering
from chalicelib.config import settings

PREFIX = "images/"


class Listed(NamedTuple):
    key: str
    modified_at: datetime


@answering()
def listed(after: str, most: int) -> tuple[list[Listed], bool]:
    """Objects behind a key, in the order of the keys, at most a thousand; and whether there are more."""
    answer = s3().list_objects_v2(Bucket=settings().image_bucket, Prefix=PREFIX, StartAfter=after, MaxKeys=most)
    return [Listed(each["Key"], each["LastModified"]) for each in answer.get("Contents", [])], answer["IsTruncated"]


@answering()
def hide(key: str) -> None:
    """By a delete marker: the versions stay until the bucket's lifecycle ends them."""
    s3().delete_object(Bucket=settings().image_bucket, Key=key)


@answering()
def purge(key: str) -> None:
    """Deletes every version of the object, and its delete markers."""
    for version in list(_versions(key)):
        s3().delete_object(Bucket=settings().image_bucket, Key=key, VersionId=version)


def _versions(key: str) -> Iterator[str]:
    pages = s3().get_paginator("list_object_versions").paginate(Bucket=settings().image_bucket, Prefix=key)
    for page in pages:
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            if version["Key"] == key:
                yield version["VersionId"]
