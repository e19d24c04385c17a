"""Uploads, tags, searches and downloads with the generated Python client. Says which image it was."""

import os
import sys
from collections.abc import Iterator
from hashlib import sha256

import httpx
from tagged_image_manager import AuthenticatedClient
from tagged_image_manager.api.images import add_tag_to_image, get_image, register_image
from tagged_image_manager.api.search import search_images
from tagged_image_manager.models import (
    ImageDraft,
    ImageDraftMetadata,
    ImageRecord,
    ImageRecordPage,
    ProblemDetails,
    SearchImagesMetadata,
    Upload,
)

DATA = b"\xff\xd8\xff" + os.urandom(99_997)  # passes for a JPEG
TRIES = 1000


def main(tag: str) -> None:
    client = AuthenticatedClient(
        os.environ["API_URL"], token=os.environ["TOKEN"], raise_on_unexpected_status=True, timeout=httpx.Timeout(30)
    )
    with client:
        image_id = uploaded(client, tag)
        added = add_tag_to_image.sync_detailed(image_id, "ct/mr", client=client)
        assert added.status_code == 204, added
        image = next(found for found in searched(client, tag) if found is not None)
        assert {each.name for each in image.tags} == {tag, "ct/mr"}
        assert image.url is not None
        assert httpx.get(image.url).content == DATA
        missing = get_image.sync(1, client=client)
        assert isinstance(missing, ProblemDetails)
        assert missing.status == 404
    print(image.id)


def uploaded(client: AuthenticatedClient, tag: str) -> int:
    draft = ImageDraft(
        filename="chest.dcm",
        size=len(DATA),
        checksum_sha256=sha256(DATA).hexdigest(),
        tags=[tag],
        metadata=ImageDraftMetadata.from_dict({"ward": tag, "urgent": True}),
    )
    upload = register_image.sync(client=client, body=draft)
    assert isinstance(upload, Upload), upload
    assert upload.upload_url is not None
    assert upload.upload_headers is not None
    put = httpx.put(upload.upload_url, content=DATA, headers=upload.upload_headers.to_dict())
    assert put.status_code == 200, put.text
    return upload.id


def searched(client: AuthenticatedClient, tag: str) -> Iterator[ImageRecord | None]:
    """The image, once the storage has reported its file; None for each time that it had not."""
    for _ in range(TRIES):
        page = search_images.sync(
            client=client,
            exact_tags=[tag, "ct/mr"],
            match_tags=[f"{tag[:6].upper()}%"],
            uploaded_only=True,
            metadata=SearchImagesMetadata.from_dict({"metadata.ward": tag, "metadata.urgent": "true"}),
        )
        assert isinstance(page, ImageRecordPage), page
        yield page.results[0] if page.results else None


if __name__ == "__main__":
    main(sys.argv[1])
