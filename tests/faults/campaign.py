"""One fault after another, under load; after each, how long until the service answers normally."""

import random
import time
from collections.abc import Iterable

import httpx

from local import tokens
from tests.faults.caller import pause
from tests.faults.faults import KEEPING_RECORDS_OUT
from tests.faults.injury import Fault, Injury, name_of
from tests.faults.timeline import Recovery
from tests.files import JPEG

GIVEN_UP_SECONDS = 60
FOUND_SECONDS = 2
"""After that another image tries it: the event of this one may be lost."""


def strike(injury: Injury, faults: Iterable[Fault]) -> None:
    stack = injury.site.description
    token = tokens.password_token(stack, "editor")
    _recover(stack["api_url"], token)
    for fault in faults:
        pause(random.uniform(0.3, 0.8))
        injury.timeline.begin(name_of(fault))
        begun = time.monotonic()
        fault(injury)
        seconds, in_vain = _recover(stack["api_url"], token)
        if fault in KEEPING_RECORDS_OUT:
            injury.timeline.without_records.append((begun, time.monotonic()))
        injury.timeline.recoveries.append(Recovery(name_of(fault), seconds, in_vain))


def _recover(api_url: str, token: str) -> tuple[float, list[str]]:
    """Seconds until an image has gone the whole way: registered, uploaded, reported by the storage, found, binned.
    And of each try in vain, when it ended and at what."""
    begun, in_vain = time.monotonic(), []
    while failure := _failure_on_the_way(api_url, token):
        taken = time.monotonic() - begun
        in_vain.append(f"{taken:.2f} s: {failure}")
        assert taken < GIVEN_UP_SECONDS, f"the service does not recover: {in_vain}"
        pause(0.05)
    return time.monotonic() - begun, in_vain


def _failure_on_the_way(api_url: str, token: str) -> str | None:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=api_url, headers=headers, timeout=10) as client:
        try:
            draft = {"filename": "probe", "size": len(JPEG), "tags": ["probe"]}
            upload = client.post("/images", json=draft).raise_for_status().json()
            stored = httpx.put(upload["upload_url"], content=JPEG, headers=upload["upload_headers"], timeout=2)
            stored.raise_for_status()
            found = _is_found(client, upload["id"])
            client.delete(f"/images/{upload['id']}").raise_for_status()
        except httpx.HTTPStatusError as error:
            return f"{error.request.method} {error.request.url.path}: {error.response.status_code}"
        except httpx.TransportError as error:
            return f"{error.request.method} {error.request.url.path}: {error!r}"
    return None if found else f"image {upload['id']} is stored, and not found within {FOUND_SECONDS} s"


def _is_found(client: httpx.Client, image_id: int) -> bool:
    wanted = {"exact_tags": "probe", "uploaded_only": "true", "limit": "1"}
    end = time.monotonic() + FOUND_SECONDS
    while time.monotonic() < end:
        results = client.get("/search/images", params=wanted).raise_for_status().json()["results"]
        if [image["id"] for image in results] == [image_id]:
            return True
        pause(0.02)
    return False
