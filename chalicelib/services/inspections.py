"""What becomes of an image by what was found in its file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from sqlalchemy.orm import Session

from chalicelib.aws import storage
from chalicelib.config import settings
from chalicelib.database import images as table
from chalicelib.database import tags
from chalicelib.database.inspections import Uninspected
from chalicelib.database.tables import Image, Status, binned_image_tags, image_tags
from chalicelib.services.limits import MAX_TAGS, tag_name
from chalicelib.telemetry import touch

_KEYWORD = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Verdict:
    attributes: dict[str, Any] = field(default_factory=dict)
    preview: bytes | None = None
    rejection: str | None = None


def settle(session: Session, inspected: Uninspected, verdict: Verdict) -> str:
    """The image's status; `late` when someone else was quicker, or its file has gone meanwhile, or another has come."""
    image = table.by_object_key_for_change(session, inspected.object_key)
    if image is None or image.status != Status.PRESENT or image.inspected_at is not None:
        return "late"
    if image.uploaded_at != inspected.uploaded_at:
        return "late"
    if verdict.preview is not None:  # as long as the row is locked no purge comes between, which would leave it behind
        storage.put(storage.preview_key(image.object_key), verdict.preview, storage.PREVIEW_TYPE)
    image.inspected_at, image.has_preview = table.now(session), verdict.preview is not None
    image.attributes, image.rejection = verdict.attributes, verdict.rejection
    if verdict.rejection is not None:
        image.status = Status.REJECTED
    else:
        _tag(session, image)
    return image.status


def _tag(session: Session, image: Image) -> None:
    """By the rules of the settings, as long as the image takes more. In the bin they wait for it to come back."""
    names = dict.fromkeys(islice(automatic_tags(settings().auto_tags, image.attributes), MAX_TAGS))
    if not names:
        return
    in_bin = image.deleted_at is not None
    held = tags.hold_linked(session, image.id, binned_image_tags if in_bin else image_tags)
    known = tags.hold(session, names)
    lacking = [name for name in names if known.get(name) not in held]
    tag_ids = tags.ensure(session, lacking[: max(0, MAX_TAGS - len(held))]).values()
    touch(tags=tag_ids)
    tags.link(session, image.id, tag_ids)
    if in_bin:
        tags.bin_links(session, image.id)


def keywords(rules: str) -> set[str]:
    """All that the rules name."""
    return set(_KEYWORD.findall(rules))


def automatic_tags(rules: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """A rule is a tag's name with keywords in braces; it is passed over where the image lacks one of them, and gives a
    tag for each value where it has several."""
    for rule in filter(None, rules.split("|")):
        named = _KEYWORD.findall(rule)
        values = [attributes.get(keyword, []) for keyword in named]
        for chosen in product(*(each if isinstance(each, list) else [each] for each in values)):
            filled = dict(zip(named, chosen, strict=True))
            try:
                yield tag_name(_KEYWORD.sub(lambda found: str(filled[found[1]]), rule))  # noqa: B023
            except ValueError:
                continue
