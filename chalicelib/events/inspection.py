"""Looks into each file whose turn the queue says it is."""

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from chalicelib.aws import contents
from chalicelib.config import settings
from chalicelib.database import inspections as table
from chalicelib.database.engine import reading, transaction
from chalicelib.database.inspections import Uninspected
from chalicelib.events.policy import chosen_by
from chalicelib.imaging import sandbox
from chalicelib.imaging.inspection import Subject
from chalicelib.imaging.kinds import HEAD_BYTES, Kind, kind_of, refusal
from chalicelib.imaging.policy import Policy
from chalicelib.services import inspections
from chalicelib.services.inspections import Verdict
from chalicelib.telemetry import begin, logger, touch


def inspect(records: Sequence[Mapping[str, Any]]) -> None:
    """What fails comes again, and in the end lies among the dead letters. Wrong settings fail before anything is looked
    at, so that no image is settled by half of them."""
    policy()
    for record in records:
        touched = begin()
        key = json.loads(record["body"])["object_key"]
        logger.info("inspection", object_key=key, **inspect_one(key), image_ids=list(touched.image_ids))


def inspect_one(object_key: str) -> dict[str, Any]:
    """What became of it, for the log: nothing that the file itself says, but its kind."""
    with reading() as session:
        image = table.waiting(session, object_key)
    if image is None:
        return {"outcome": "nothing to do"}
    touch(images=[image.id])
    head = contents.read(image.object_key, 0, HEAD_BYTES)
    if not head:
        return {"outcome": "gone"}
    kind = kind_of(head)
    verdict = _unknown(head) if kind is None else _looked_into(image, head, kind)
    with transaction() as session:
        outcome = inspections.settle(session, image, verdict)
    return {"outcome": outcome, "kind": kind and kind.name, "has_preview": verdict.preview is not None}


def _unknown(head: bytes) -> Verdict:
    if settings().reject_unknown_files:
        return Verdict(rejection=refusal(head))
    return Verdict({"Format": "unknown"})


def _looked_into(image: Uninspected, head: bytes, kind: Kind) -> Verdict:
    fetch = partial(contents.read, image.object_key)
    found = sandbox.inspect(Subject(fetch, image.size, head, kind, policy()))
    attributes = dict(found.attributes)
    if image.content_type.partition(";")[0].strip().lower() not in (*kind.media_types, "application/octet-stream"):
        attributes["DeclaredAs"] = image.content_type
    if found.preview is None:
        return Verdict(attributes | {"NoPreview": found.no_preview})
    return Verdict(attributes, found.preview)


@cache
def policy() -> Policy:
    """Raises SettingsError."""
    return chosen_by(settings())
