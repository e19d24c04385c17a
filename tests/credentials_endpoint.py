"""The endpoint from which a function with SnapStart fetches its role's temporary credentials, and from which the SDK's
own provider fetches them here."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib.aws import clients
from chalicelib.config import settings

AUTHORIZATION = "Bearer made-up"


class Endpoint:
    def __init__(self) -> None:
        self.lifetimes: list[float] = []
        """Seconds that each following session lasts; the last one is given out again."""
        self.sessions: dict[str, dict[str, Any]] = {}
        """What was given out, by access key."""
        self.asked = 0
        self.dead = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}/credentials"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def session(self) -> dict[str, Any]:
        """A new one, while there are lifetimes left."""
        self.asked += 1
        if self.lifetimes:
            number = len(self.sessions)
            self._current = {
                "AccessKeyId": f"ASIAEXAMPLE{number:09d}",
                "SecretAccessKey": f"secret-{number}/+=",
                "Token": f"token-{number}/+=" * 30,
                "Expiration": f"{datetime.now(UTC) + timedelta(seconds=self.lifetimes.pop(0)):%Y-%m-%dT%H:%M:%SZ}",
            }
            self.sessions[str(self._current["AccessKeyId"])] = self._current
        return self._current


def _handler_of(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            permitted = self.headers["Authorization"] == AUTHORIZATION and not endpoint.dead
            content = json.dumps(endpoint.session() if permitted else {}).encode()
            self.send_response(200 if permitted else 500)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment, of files and of the machine."""
    kept = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL")
    for name in [name for name in os.environ if name.startswith("AWS_") and not name.startswith(kept)]:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    clients.forget()


@contextmanager
def credentials_from_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The product has these, and no others."""
    endpoint = Endpoint()
    without_credentials(monkeypatch)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", AUTHORIZATION)
    settings.cache_clear()
    yield endpoint
    endpoint.close()
    monkeypatch.undo()
    settings.cache_clear()
    clients.forget()
