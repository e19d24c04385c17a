"""Calls every operation and every function of a release of the code."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from pydicom.data import get_testdata_file

from tests.files import JPEG
from tests.lambda_runtime import events
from tests.lambda_runtime.release import Release


class Left(NamedTuple):
    """What a release has left in the database."""

    image_id: int
    tag: str


def call_everything(release: Release, word: str, make_old: Callable[[int], None]) -> Left:
    """Calls each operation and function at least once; what it makes bears the word. `make_old` changes the time since
    when an image has been in the bin. Returns what is left."""
    tag, tag_id = _tags(release, word)
    image_id = _file(release, word, tag)
    _parts(release, word)
    binned = bin_one(release, word)
    make_old(binned)
    purge(release, binned)
    release.call("GET /access-log", query=f"?image_id={image_id}")
    for name in ("tidy", "reconcile"):
        release.run(name, events.scheduled(name))
    assert release.call("GET /tags/{tag_id}", tag_id=tag_id)["image_count"] == 1
    assert _ids(release.call("GET /tags/{tag_id}/images", tag_id=tag_id)) == [image_id]
    left = Left(image_id, tag)
    use(release, left)
    return left


def use(release: Release, left: Left) -> None:
    """Reads, changes, deletes and restores what another release has left."""
    _find(release, *left)
    image = release.call("GET /images/{image_id}", image_id=left.image_id)
    assert (image["status"], image["attributes"]["Modality"]) == ("present", "CT")
    assert httpx.get(image["url"]).status_code == 200
    release.call("PUT /images/{image_id}", {"metadata": {"seen": "again"}}, image_id=left.image_id)
    release.call("DELETE /images/{image_id}", image_id=left.image_id, expect=204)
    release.call("POST /images/{image_id}/restore", image_id=left.image_id)
    _find(release, *left)


def purge(release: Release, image_id: int) -> None:
    """Of an image that has been in the bin for long enough."""
    release.run("purge", events.scheduled("purge"))
    release.call("GET /images/{image_id}", image_id=image_id, expect=404)


def bin_one(release: Release, word: str) -> int:
    """Returns the id of an image that has been uploaded and deleted."""
    shot = {"filename": f"{word}.jpg", "image_data": base64.b64encode(JPEG).decode()}
    image_id: int = release.call("POST /upload", shot, expect=201)["id"]
    release.call("DELETE /images/{image_id}", image_id=image_id, expect=204)
    return image_id


def _tags(release: Release, word: str) -> tuple[str, int]:
    """Returns the name and the id of one that is left."""
    tag_id, spare, gone = (
        release.call("POST /tags", {"name": f"{word}-{name}"}, expect=201)["id"] for name in ("first", "spare", "gone")
    )
    tag = release.call("PUT /tags/{tag_id}", {"name": f"{word}-kept"}, tag_id=tag_id)["name"]
    release.call("POST /tags/{tag_id}/merge", {"into": tag_id}, tag_id=spare)
    release.call("DELETE /tags/{tag_id}", tag_id=gone, expect=204)
    assert tag in [each["name"] for each in release.call("GET /tags")["results"]]
    return tag, tag_id


def _file(release: Release, word: str, tag: str) -> int:
    """Registers, uploads, inspects and tags an image; returns its id."""
    content = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    draft = {"filename": f"{word}.dcm", "size": len(content), "metadata": {"ward": word}}
    upload = release.call("POST /images", draft, expect=201, key=word)
    image_id: int = upload["id"]
    assert release.call("POST /images", draft, expect=201, key=word)["id"] == image_id
    assert httpx.put(upload["upload_url"], headers=upload["upload_headers"], content=content).status_code == 200
    key = f"images/{httpx.URL(upload['upload_url']).path.partition('/images/')[2]}"
    release.run("record_storage_event", events.stored(key))
    release.run("inspect", events.queued({"object_key": key}))
    for name in (tag, f"{word}-off"):
        release.call("PUT /images/{image_id}/tags/{name}", image_id=image_id, name=name, expect=204)
    release.call("DELETE /images/{image_id}/tags/{name}", image_id=image_id, name=f"{word}-off", expect=204)
    release.call("PUT /images/{image_id}", {"filename": f"{word}-again.dcm"}, image_id=image_id)
    return image_id


def _parts(release: Release, word: str) -> None:
    draft = {"filename": f"{word}-parts.jpg", "size": len(JPEG)}
    image_id = release.call("POST /images", draft, expect=201)["id"]
    (part,) = release.call("POST /images/{image_id}/upload", {"multipart": True}, image_id=image_id)["parts"]
    etag = httpx.put(part["url"], content=JPEG).headers["ETag"]
    parts = {"parts": [{"part_number": 1, "etag": etag}]}
    image = release.call("POST /images/{image_id}/upload/complete", parts, image_id=image_id)
    assert image["status"] == "present"


def _find(release: Release, image_id: int, tag: str) -> None:
    assert image_id in _ids(release.call("GET /images"))
    assert _ids(release.call("GET /search/images", query=f"?exact_tags={tag}&attributes.Modality=CT")) == [image_id]


def _ids(page: Any) -> list[int]:
    return [image["id"] for image in page["results"]]
