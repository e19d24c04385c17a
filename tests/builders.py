"""Things that tests need, made in one line."""

import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from chalicelib.database import images, tags
from chalicelib.database.tables import Image
from chalicelib.services.callers import Caller, Permission

EDITOR = Caller("editor-id", "app", Permission.WRITE)
OTHER_EDITOR = Caller("other-editor-id", "app", Permission.WRITE)
ADMIN = Caller("admin-id", "app", Permission.ADMIN)


def an_image(session: Session, tags_: Iterable[str] = (), **fields: Any) -> Image:
    """Pending, of EDITOR, unless told otherwise."""
    defaults = {
        "created_by": EDITOR.id,
        "filename": "chest.dcm",
        "content_type": "application/dicom",
        "size": 4,
        "metadata_": {},
        "object_key": f"images/2026-01-01/{uuid.uuid4()}",
    }
    image = Image(**defaults | fields)
    images.add(session, image)
    tags.link(session, image.id, tags.ensure(session, tags_).values())
    images.refresh(session, image)
    return image


def a_tag(session: Session, name: str) -> int:
    return tags.ensure(session, [name])[name]
