"""What becomes of an image by what was found in its file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sqlalchemy.orm import Session

from chalicelib.config import settings
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.tables import Image, Status
from chalicelib.services.limits import MAX_TAGS, tag_name
from chalicelib.telemetry import touch


@dataclass(frozen=True)
class Verdict:
    attributes: dict[str, Any] = field(default_factory=dict)
    has_preview: bool = False
    rejection: str | None = None


def settle(session: Session, object_key: str, verdict: Verdict) -> str:
    """The image's status; `late` when someone else was quicker, or its file has gone meanwhile."""
    image = table.by_object_key_for_change(session, object_key)
    if image is None or image.status != Status.PRESENT or image.inspected_at is not None:
        return "late"
    image.inspected_at = table.now(session)
    image.attributes, image.has_preview, image.rejection = verdict.attributes, verdict.has_preview, verdict.rejection
    if verdict.rejection is not None:
        image.status = Status.REJECTED
    elif image.deleted_at is None:
        _tag(session, image)
    return image.status


def _tag(session: Session, image: Image) -> None:
    """By the rules of the settings, as long as the image takes more."""
    names = dict.fromkeys(automatic_tags(settings().auto_tags, image.attributes))
    held = tags.hold_linked(session, image.id) if names else set()
    tag_ids = list(tags.ensure(session, names).values())[: MAX_TAGS - len(held)] if names else []
    touch(tags=tag_ids)
    tags.link(session, image.id, tag_ids)


def automatic_tags(rules: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """A rule is a tag's name with keywords in braces; it is passed over where the image lacks one of them, and gives a
    tag for each value where it has several."""
    for rule in filter(None, rules.split("|")):
        keywords = re.findall(r"{(\w+)}", rule)
        values = [attributes.get(keyword, []) for keyword in keywords]
        for chosen in product(*(each if isinstance(each, list) else [each] for each in values)):
            filled = dict(zip(keywords, chosen, strict=True))
            try:
                yield tag_name(re.sub(r"{(\w+)}", lambda found: str(filled[found[1]]), rule))  # noqa: B023
            except ValueError:
                continue
