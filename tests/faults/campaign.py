"""One fault after another, under load; after each, how long until the service answers normally."""

import random
import time
from collections.abc import Iterable

import httpx

from local import tokens
from tests.faults.caller import pause
from tests.faults.injury import Fault, Injury, name_of
from tests.files import JPEG

GIVEN_UP_SECONDS = 60


def strike(injury: Injury, faults: Iterable[Fault]) -> None:
    stack = injury.site.description
    token = tokens.password_token(stack, "editor")
    _recovery(stack["api_url"], token)
    for fault in faults:
        pause(random.uniform(0.3, 0.8))
        injury.timeline.begin(name_of(fault))
        fault(injury)
        injury.timeline.recoveries.append((name_of(fault), _recovery(stack["api_url"], token)))


def _recovery(api_url: str, token: str) -> float:
    """Seconds until an image has gone the whole way: registered, uploaded, reported by the storage, found, binned."""
    begun = time.monotonic()
    while not _goes_the_whole_way(api_url, token):
        assert time.monotonic() < begun + GIVEN_UP_SECONDS, "the service does not recover"
        pause(0.05)
    return time.monotonic() - begun


def _goes_the_whole_way(api_url: str, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=api_url, headers=headers, timeout=10) as client:
        try:
            draft = {"filename": "probe", "size": len(JPEG), "tags": ["probe"]}
            upload = client.post("/images", json=draft).raise_for_status().json()
            stored = httpx.put(upload["upload_url"], content=JPEG, headers=upload["upload_headers"], timeout=2)
            stored.raise_for_status()
            found = _is_found(client, upload["id"])
            client.delete(f"/images/{upload['id']}").raise_for_status()
        except (httpx.HTTPStatusError, httpx.TransportError):
            return False
    return found


def _is_found(client: httpx.Client, image_id: int) -> bool:
    wanted = {"exact_tags": "probe", "uploaded_only": "true", "limit": "1"}
    end = time.monotonic() + 2
    while time.monotonic() < end:
        results = client.get("/search/images", params=wanted).raise_for_status().json()["results"]
        if [image["id"] for image in results] == [image_id]:
            return True
        pause(0.02)
    return False
