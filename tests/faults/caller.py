"""Asks the service until it answers, as a client that keeps its head does; notes what it was told."""

import math
import re
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from local import Trouble, tokens
from local.tokens import Stack
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
    expected: dict[str, Any] = field(default_factory=dict)
    """What its record has to say."""


class Caller:
    def __init__(self, stack: Stack, timeline: Timeline) -> None:
        self._stack = stack
        # Above the gateway's 29 s: it is the gateway that gives up.
        self._api = httpx.Client(base_url=stack["api_url"] + "/", timeout=40)
        self._sign_in()
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
        if reply.response is not None and reply.response.status_code in (400, 403, 500):
            said = f"{method} {path}: {reply.response.status_code} {reply.response.text[:300]}"
            self.timeline.note("errors", reply.at, said)
        return reply

    def put_file(self, upload: dict[str, Any], content: bytes, *, most: float = FOR_EVER) -> bool:
        """Whether the storage has said that it has the file. 412 says so when an earlier try was not answered."""

        def once(_: bool) -> httpx.Response | None:
            nonlocal upload
            try:
                response = self._storage.put(upload["upload_url"], content=content, headers=upload["upload_headers"])
            except httpx.TransportError:
                return None
            if response.status_code == 403:  # by the storage's clock, its time is over or has not begun
                upload = self._renewed(upload)
            return response if response.status_code in (200, 412) else None

        return self._until_answered(once, most).response is not None

    def _renewed(self, upload: dict[str, Any]) -> dict[str, Any]:
        renewed = self._try("POST", f"images/{upload['id']}/upload", {}, {}, again=False)
        return renewed.json() if renewed is not None and renewed.status_code == 200 else upload

    def _sign_in(self) -> None:
        token = tokens.password_token(self._stack, "editor")
        self._user_id = jwt.decode(token, options={"verify_signature": False})["sub"]
        self._api.headers["Authorization"] = f"Bearer {token}"

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
            expected = {"user_id": self._user_id, **_expected(method, path, response)}
            self.accesses.append(Access(response.headers["X-Request-Id"], sent, time.monotonic(), what, expected))
        if response.status_code == 401:  # by the gateway's clock, the token has expired or is not yet good
            with suppress(Trouble):
                self._sign_in()
            return None
        # 409 says that the first try is still running.
        busy = again and method == "POST" and response.status_code == 409
        return None if busy or response.status_code in UNANSWERED else response


def _expected(method: str, path: str, response: httpx.Response) -> dict[str, Any]:
    """Of an answer that was a success, its record also names what was touched."""
    shown = re.sub(r"(?<=/tags/).+", "{name}", path) if path.startswith("images/") else path
    expected: dict[str, Any] = {"method": method, "path": f"/v1/{shown}", "status": response.status_code}
    if not response.is_success:
        return expected
    kind, *rest = path.split("/")
    named = [int(rest[0])] if rest else [response.json()["id"]]
    return expected | ({"image_ids": named} if kind in ("images", "upload") else {})
