"""Does the local stack bear mixed traffic for two minutes: no error, and no memory that grows?

    .venv/bin/python benchmarks/load.py --seconds 120 --clients 4 --workers 2

Starts a stack of its own. Each client, in turn, at random: registers and uploads an image, gets one, tags one, browses,
searches, lists tags. Memory is that of the stack's processes together, but for PostgreSQL's and the emulator's, which
keep what they are sent; the second and the last quarter of the time are compared.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from local import tokens
from local.state import free_port

TAGS = [f"load-{number}" for number in range(50)]
WATCHED = ("local.gateway", "local.worker", "local.delivery", "local.schedules")
GROWTH_ALLOWED = 0.10
CONTENT = b"\xff\xd8\xff" + b"DICM" * 256
"""Passes for a JPEG; what is no image would be rejected."""


def main() -> int:
    options = _options()
    with _stack(options.workers) as stack:
        token = tokens.password_token(stack, "editor")
        clients = [Client(stack["api_url"], token, options.seconds, seed) for seed in range(options.clients)]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        memory = list(_memory(stack["pid"], options.seconds))
        for thread in threads:
            thread.join()
    errors = [error for client in clients for error in client.errors]
    _print(clients, memory, errors, options.seconds)
    return 1 if errors or _growth(memory) > GROWTH_ALLOWED else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


class Client:
    def __init__(self, api_url: str, token: str, seconds: float, seed: int) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self._http = httpx.Client(base_url=api_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self._end = time.monotonic() + seconds
        self._random = random.Random(seed)
        self._images: list[int] = []

    def run(self) -> None:
        deeds = [self._upload, self._get, self._tag, self._browse, self._search, self._list_tags]
        self._upload()
        while time.monotonic() < self._end:
            self._random.choice(deeds)()

    def _upload(self) -> None:
        draft = {"filename": "a.dcm", "size": len(CONTENT), "tags": self._random.sample(TAGS, 3)}
        made = self._ask("register", "POST", "/images", json=draft).json()
        begun = time.perf_counter()
        put = httpx.put(made["upload_url"], headers=made["upload_headers"], content=CONTENT, timeout=30)
        self._note("put to the bucket", put, begun)
        self._images.append(made["id"])

    def _get(self) -> None:
        self._ask("get", "GET", f"/images/{self._random.choice(self._images)}")

    def _tag(self) -> None:
        self._ask("tag", "PUT", f"/images/{self._random.choice(self._images)}/tags/{self._random.choice(TAGS)}")

    def _browse(self) -> None:
        self._ask("browse", "GET", "/images?limit=50")

    def _search(self) -> None:
        names = "|".join(self._random.sample(TAGS, 2))
        asked = self._random.choice([f"exact_tags={names}", f"any_tags={names}", "match_tags=load-1%25"])
        self._ask("search", "GET", f"/search/images?{asked}&limit=50")

    def _list_tags(self) -> None:
        self._ask("tags", "GET", "/tags?limit=50")

    def _ask(self, name: str, method: str, path: str, **more: Any) -> httpx.Response:
        begun = time.perf_counter()
        answer = self._http.request(method, path, **more)
        self._note(name, answer, begun)
        return answer

    def _note(self, name: str, answer: httpx.Response, begun: float) -> None:
        self.times[name].append((time.perf_counter() - begun) * 1e3)
        if answer.status_code >= 400:
            self.errors.append(f"{name}: {answer.status_code} {answer.text[:200]}")


@contextmanager
def _stack(workers: int) -> Iterator[dict[str, Any]]:
    home = Path(tempfile.mkdtemp(prefix="load-", dir="/var/tmp"))
    home.chmod(0o711)  # PostgreSQL, when root runs this, is another user, who must come through
    options = ["--port", str(free_port(None)), "--state", str(home / "state"), "--workers", str(workers)]
    command = [sys.executable, "-m", "local", "serve", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ready: "):
                break
        try:
            yield json.loads((home / "state" / "stack.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            subprocess.run(["rm", "-rf", str(home)], check=True)


def _memory(parent: int, seconds: float) -> Iterator[float]:
    """Megabytes, twice a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield sum(map(_resident, _watched(parent)))
        time.sleep(0.5)


def _watched(parent: int) -> Iterator[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in map(int, children):
        command = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
        if any(name in command for name in WATCHED):
            yield child
            yield from _watched(child)


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _growth(memory: list[float]) -> float:
    quarter = len(memory) // 4
    return statistics.median(memory[-quarter:]) / statistics.median(memory[quarter : 2 * quarter]) - 1


def _print(clients: list[Client], memory: list[float], errors: list[str], seconds: float) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    for client in clients:
        for name, taken in client.times.items():
            times[name] += taken
    print(f"{'':20}{'requests':>10}{'per s':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'worst':>9}   ms")
    for name, taken in [*times.items(), ("all", [each for some in times.values() for each in some])]:
        cuts = statistics.quantiles(taken, n=100)
        columns = (len(taken) / seconds, cuts[49], cuts[94], cuts[98])
        print(f"{name:20}{len(taken):10}" + "".join(f"{each:8.1f}" for each in columns) + f"{max(taken):9.1f}")
    print(f"errors: {len(errors)}", *errors[:5], sep="\n")
    print(f"memory: {memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at last; last quarter: {_growth(memory):+.1%}")


if __name__ == "__main__":
    sys.exit(main())
