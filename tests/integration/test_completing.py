"""Completing an upload in parts, when a file has come by other ways before, and the news of it are held up."""

import uuid
from hashlib import sha256

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chalicelib.aws import bucket, contents
from chalicelib.database.tables import Image
from chalicelib.services import multipart, uploads
from chalicelib.services.multipart import PresignedParts
from tests.builders import EDITOR, an_image

BY_PUT, IN_PARTS = b"by one PUT", b"in a part!"


@pytest.fixture
def image_id(committed: Engine) -> int:
    with Session(committed) as session, session.begin():
        return an_image(session, object_key=f"images/2026-01-01/{uuid.uuid4()}", size=len(BY_PUT)).id


def begun(engine: Engine, image_id: int, data: bytes) -> dict[int, str]:
    """The ETag of the one part, which has been uploaded."""
    with Session(engine) as session, session.begin():
        presigned = multipart.renew(session, EDITOR, image_id, multipart=True)
        assert isinstance(presigned, PresignedParts)
    return {1: httpx.put(presigned.parts[0].url, content=data).headers["ETag"]}


def put(engine: Engine, image_id: int, data: bytes) -> int:
    """To the URL that the image was registered with; the storage's answer."""
    with Session(engine) as session:
        upload = uploads.presigned(session.get_one(Image, image_id))
    return httpx.put(upload.url, headers=upload.headers, content=data).status_code


def complete(engine: Engine, image_id: int, etags: dict[int, str]) -> str:
    """The image's status."""
    with Session(engine) as session, session.begin():
        return multipart.complete(session, EDITOR, image_id, etags).status


def stored(engine: Engine, image_id: int) -> bytes:
    with Session(engine) as session:
        return contents.read(session.get_one(Image, image_id).object_key, 0, 100)


def test_completing_in_parts_does_not_overwrite_a_file_that_came_by_put(committed: Engine, image_id: int) -> None:
    etags = begun(committed, image_id, IN_PARTS)
    assert put(committed, image_id, BY_PUT) == 200

    assert complete(committed, image_id, etags) == "present"

    assert stored(committed, image_id) == BY_PUT
    with Session(committed) as session:
        image = session.get_one(Image, image_id)
        assert image.checksum_sha256 in (None, sha256(BY_PUT).hexdigest())
        assert image.multipart_upload_id is not None  # the upload in parts is still open: the purge ends it


def test_a_put_does_not_overwrite_a_file_that_was_put_together_of_parts(committed: Engine, image_id: int) -> None:
    assert complete(committed, image_id, begun(committed, image_id, IN_PARTS)) == "present"

    assert put(committed, image_id, BY_PUT) == 412
    assert stored(committed, image_id) == IN_PARTS


def test_a_file_that_came_by_put_is_not_overwritten_though_other_parts_are_completed_again(
    committed: Engine, image_id: int
) -> None:
    etags = begun(committed, image_id, IN_PARTS)
    assert put(committed, image_id, BY_PUT) == 200

    assert [complete(committed, image_id, etags) for _ in range(3)] == ["present"] * 3
    assert stored(committed, image_id) == BY_PUT


def test_a_file_that_is_lost_can_be_put_together_anew(committed: Engine, image_id: int) -> None:
    """Of a bucket with versions only the delete marker is there: the condition holds again."""
    etags = begun(committed, image_id, IN_PARTS)
    with Session(committed) as session:
        key = session.get_one(Image, image_id).object_key
    assert put(committed, image_id, BY_PUT) == 200
    bucket.hide(key)

    assert complete(committed, image_id, etags) == "present"
    assert stored(committed, image_id) == IN_PARTS


@pytest.mark.parametrize("forgotten", [False, True], ids=["s3-knows-the-upload", "s3-has-forgotten-the-upload"])
def test_completing_again_succeeds_after_a_request_that_ended_when_s3_was_done(
    committed: Engine, image_id: int, *, forgotten: bool
) -> None:
    """Its time was up before it could commit: the object is there, and the database does not know."""
    etags = begun(committed, image_id, IN_PARTS)
    with Session(committed) as session:
        multipart.complete(session, EDITOR, image_id, etags)
        session.rollback()
    with Session(committed) as session:
        image = session.get_one(Image, image_id)
        assert image.uploaded_at is None
        assert image.multipart_upload_id is not None
        if forgotten:
            image.multipart_upload_id += "x"
            session.commit()

    assert [complete(committed, image_id, etags) for _ in range(2)] == ["present"] * 2
    assert stored(committed, image_id) == IN_PARTS
