"""Asks the service until it answers, as a client that keeps its head does; notes what it was told."""

import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.timeline import Timeline

UNANSWERED = (429, 502, 503, 504)
"""Whether the request happened, these do not say (but 429, that it did not): it is to be tried again."""

NOT_FROM_THE_SERVICE = (401, 429, 502, 504)
"""The gateway answers these itself: the service, and so its access log, may know nothing of the request."""

FOR_EVER = math.inf
PATIENCE_SECONDS = 90
"""For ever is no longer than this: the service ought to have recovered."""

_pause = threading.Event()


def pause(seconds: float) -> None:
    _pause.wait(seconds)


@dataclass(frozen=True)
class Reply:
    """The last answer, or None when there was none and the caller gave up."""

    response: httpx.Response | None
    tries: int
    at: float


@dataclass(frozen=True)
class Access:
    """A request that the service answered."""

    request_id: str
    sent: float
    answered: float
    what: str


class Caller:
    def __init__(self, api_url: str, token: str, timeline: Timeline) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        # Above the gateway's 29 s: it is the gateway that gives up.
        self._api = httpx.Client(base_url=api_url, headers=headers, timeout=40)
        self._storage = httpx.Client(timeout=20)
        self.timeline = timeline
        self.accesses: list[Access] = []

    def close(self) -> None:
        self._api.close()
        self._storage.close()

    def ask(self, method: str, path: str, json: Any = None, *, most: float = FOR_EVER, **headers: str) -> Reply:
        """Gives up after `most` tries without an answer; a POST that is tried again has its key, and so is done once.
        An answer that must never be is noted as an error."""
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        reply = self._until_answered(lambda again: self._try(method, path, json, headers, again=again), most)
        if reply.response is not None and reply.response.status_code in (400, 401, 403, 500):
            said = f"{method} {path}: {reply.response.status_code} {reply.response.text[:300]}"
            self.timeline.note("errors", reply.at, said)
        return reply

    def put_file(self, url: str, headers: dict[str, str], content: bytes, *, most: float = FOR_EVER) -> bool:
        """Whether the storage has said that it has the file. 412 says so when an earlier try was not answered."""

        def once(_: bool) -> httpx.Response | None:
            try:
                response = self._storage.put(url, content=content, headers=headers)
            except httpx.TransportError:
                return None
            return response if response.status_code in (200, 412) else None

        return self._until_answered(once, most).response is not None

    def _until_answered(self, once: Callable[[bool], httpx.Response | None], most: float) -> Reply:
        deadline = time.monotonic() + PATIENCE_SECONDS
        tries = 0
        while True:
            begun, response = time.monotonic(), once(tries > 0)
            tries += 1
            if response is None:
                self.timeline.note("unanswered", begun)
            if response is not None or tries >= most:
                return Reply(response, tries, time.monotonic())
            assert time.monotonic() < deadline, f"no answer within {PATIENCE_SECONDS} s"
            pause(0.1)

    def _try(self, method: str, path: str, json: Any, headers: dict[str, str], *, again: bool) -> httpx.Response | None:
        sent = time.monotonic()
        try:
            response = self._api.request(method, path, json=json, headers=headers)
        except httpx.TransportError:
            return None
        if response.status_code not in NOT_FROM_THE_SERVICE:
            what = f"{method} {path}: {response.status_code}"
            self.accesses.append(Access(response.headers["X-Request-Id"], sent, time.monotonic(), what))
        # 409 says that the first try is still running.
        busy = again and method == "POST" and response.status_code == 409
        return None if busy or response.status_code in UNANSWERED else response
