"""What moves an image's ETag, and what of that stops a change that names an older one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from chalicelib.database.tables import Image, Status
from chalicelib.errors import PreconditionFailed
from chalicelib.services import images
from chalicelib.services.images import Change
from tests.builders import EDITOR, an_image

LEARNT: dict[str, dict[str, Any]] = {
    "attributes": {"attributes": {"Modality": "CT"}},
    "a preview": {"has_preview": True},
    "a checksum": {"checksum_sha256": "0" * 64},
    "a refusal": {"status": Status.REJECTED, "rejection": "The file is a PDF document, not an image."},
}
"""What the service finds out by looking into the file; no caller has a hand in it."""

BY_OTHERS: dict[str, dict[str, Any]] = {
    "metadata": {"metadata_": {"ward": "B2"}},
    "a filename": {"filename": "other.dcm"},
    "the loss of the file": {"status": Status.MISSING, "uploaded_at": None},
    "another file": {"uploaded_at": datetime(2026, 2, 1, tzinfo=UTC)},
}


@pytest.fixture
def image(session: Session) -> Image:
    return an_image(session, ["ct"], status=Status.PRESENT, uploaded_at=datetime(2026, 1, 1, tzinfo=UTC))


def changed(session: Session, image: Image, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(image, name, value)
    session.flush()


@pytest.mark.parametrize("values", LEARNT.values(), ids=LEARNT)
def test_what_the_service_learns_moves_the_etag_and_stops_no_change(
    session: Session, image: Image, values: dict[str, Any]
) -> None:
    read = images.etag(image)
    changed(session, image, values)

    assert images.etag(image) != read
    assert images.replace(session, image.id, Change(metadata={"seen": True}), if_match=read).metadata_ == {"seen": True}


@pytest.mark.parametrize("values", BY_OTHERS.values(), ids=BY_OTHERS)
def test_what_others_change_moves_the_etag_and_stops_a_change(
    session: Session, image: Image, values: dict[str, Any]
) -> None:
    read = images.etag(image)
    changed(session, image, values)

    assert images.etag(image) != read
    with pytest.raises(PreconditionFailed):
        images.replace(session, image.id, Change(metadata={"seen": True}), if_match=read)
    with pytest.raises(PreconditionFailed):
        images.delete(session, EDITOR, image.id, if_match=read)


def test_tags_that_others_or_the_service_add_stop_a_change(session: Session, image: Image) -> None:
    """A change of tags replaces all of them: it would take the new one off again."""
    read = images.etag(image)
    images.add_tag(session, image.id, "modality:CT")

    with pytest.raises(PreconditionFailed):
        images.replace(session, image.id, Change(tags=["ct", "seen"]), if_match=read)
