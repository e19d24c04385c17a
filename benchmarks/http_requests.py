"""How soon, and how many times a second, does the service answer over HTTP, and where does the time go?

    BIN_DAYS=9999 ABANDONED_DAYS=9999 make serve WORKERS=2 STATE=/tmp/bench        # in one terminal
    .venv/bin/python benchmarks/http_requests.py --state /tmp/bench --images 1000000

An empty database is filled first (see collection.py), with images that have no files, and that the service would
otherwise tidy away. The first tables are of the running service through its gateway.
The last calls the service's handler in this process with the same requests, and says of each part how long it takes:
what HTTP takes more than the handler is the gateway's. Times are in milliseconds.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import collection
from infrastructure.resources import STAGE
from local import environment, proxy_event, tokens
from local.api import Api
from local.proxy_event import Request

POPULAR, ALSO_POPULAR = collection.POPULAR_TAGS[:2]


def main() -> None:
    options = _options()
    stack = json.loads((options.state / "stack.json").read_text())
    _fill(stack["database_url"], options.images)
    token = tokens.password_token(stack, "editor")
    paths = _paths(stack["api_url"], token)
    for connections in (1, 4):
        _print_rates(stack["api_url"], token, paths, connections, options.seconds)
    _print_parts(stack, token, paths, options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".local"))
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args()


def _fill(dsn: str, images: int) -> None:
    connection = psycopg2.connect(dsn)
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM images")
    held = cursor.fetchone()[0]
    connection.close()
    if held == 0:
        print(f"Filling the database with {images:,} images", flush=True)
        collection.fill(dsn, images)
    elif held < images:
        sys.exit(f"The database holds {held:,} images, neither none nor {images:,}.")


def _paths(api_url: str, token: str) -> dict[str, str]:
    def search(**query: Any) -> str:
        return "/search/images?" + urlencode({"total": "false"} | query, quote_via=quote)

    newest = json.loads(_connection(api_url, "/images?limit=1&uploaded_only=true", token)[1])["results"][0]["id"]
    return {
        "unknown path: HTTP and gateway": "/nothing",
        "an error before the database": "/tags/x",
        "one image": f"/images/{newest}",
        "newest 100": "/images?total=false",
        "one popular tag": search(exact_tags=POPULAR),
        "one popular tag, 10 rows": search(exact_tags=POPULAR, limit=10),
        "two popular tags": search(exact_tags=f"{POPULAR}|{ALSO_POPULAR}"),
        "two disjoint popular tags": search(exact_tags="|".join(collection.DISJOINT_TAGS)),
        "a prefix pattern": search(match_tags=collection.prefix_pattern(100)),
        "a popular tag with its count": search(exact_tags=POPULAR, total="true"),
        "a rare tag": search(exact_tags=collection.rare_tags(100)[0]),
    }


def _print_rates(api_url: str, token: str, paths: dict[str, str], connections: int, seconds: float) -> None:
    print(
        f"\n{f'{connections} connections, {seconds} s each':34}{'req/s':>8}{'p50':>8}{'p95':>8}{'worst':>8}{'bytes':>9}"
    )
    for name, path in paths.items():
        size = len(_connection(api_url, path, token)[1])
        times = _load(api_url, path, token, connections, seconds)
        cuts = statistics.quantiles(times, n=20)
        row = (len(times) / seconds, cuts[9] * 1e3, cuts[18] * 1e3, max(times) * 1e3, size)
        print(f"{name:34}{row[0]:8.0f}{row[1]:8.2f}{row[2]:8.2f}{row[3]:8.1f}{row[4]:9,}", flush=True)


def _connection(api_url: str, path: str, token: str) -> tuple[http.client.HTTPConnection, bytes]:
    """An open connection, and what it got for the path."""
    url = urlsplit(api_url)
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("GET", url.path + path, headers={"Authorization": f"Bearer {token}"})
    return connection, connection.getresponse().read()


def _load(api_url: str, path: str, token: str, connections: int, seconds: float) -> list[float]:
    """Seconds of each request."""
    times: list[list[float]] = [[] for _ in range(connections)]
    threads = [threading.Thread(target=_ask, args=(api_url, path, token, seconds, mine)) for mine in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each for mine in times for each in mine]


def _ask(api_url: str, path: str, token: str, seconds: float, times: list[float]) -> None:
    connection, _ = _connection(api_url, path, token)
    url, end = urlsplit(api_url).path + path, time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        connection.request("GET", url, headers={"Authorization": f"Bearer {token}"})
        connection.getresponse().read()
        times.append(time.perf_counter() - begun)


class _Stopwatch:
    """Seconds by part; a part within another is not counted for the outer one too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        self._turn()
        self._running.append(part)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def watch(self, owner: Any, name: str, part: str) -> None:
        watched: Callable[..., Any] = getattr(owner, name)

        @wraps(watched)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.timed(part):
                return watched(*arguments, **named)

        setattr(owner, name, timed)


PARTS = ("SQL", "signing", "rendering", "access record", "log line", "the rest")


def _print_parts(stack: dict[str, Any], token: str, paths: dict[str, str], seconds: float) -> None:
    os.environ |= environment.of_service(stack)
    # The service must be imported after its environment is there.
    from sqlalchemy.engine import default

    from app import app
    from chalicelib.aws import access_log, storage
    from chalicelib.routes import images, search, tags
    from chalicelib.routes.shapes.images import ImageRecord
    from chalicelib.telemetry import logger
    from local import worker

    stopwatch = _Stopwatch()
    stopwatch.watch(default.DefaultDialect, "do_execute", "SQL")
    stopwatch.watch(storage, "presigned_download", "signing")
    stopwatch.watch(ImageRecord, "of", "rendering")
    for module in (images, search, tags):
        stopwatch.watch(module, "listing", "rendering")
    stopwatch.watch(access_log, "write", "access record")
    stopwatch.watch(logger, "info", "log line")
    logger.setLevel("WARNING")
    print(f"\n{'in process':34}{'all':>8}{'CPU':>8}" + "".join(f"{part:>15}" for part in PARTS))
    api = Api(worker.describe(app))
    for name, path in paths.items():
        if (event := _event(api, path, token)) is not None:
            _print_part(name, partial(worker.answer, app, event), stopwatch, seconds)


def _event(api: Api, path: str, token: str) -> bytes | None:
    """As the gateway would hand it to the service; None if it would not."""
    path, _, query = f"/{STAGE}{path}".partition("?")
    headers = [("host", "localhost"), ("user-agent", "benchmark"), ("authorization", f"Bearer {token}")]
    match = api.find(path)
    if match is None:
        return None
    claims = jwt.decode(token, options={"verify_signature": False})
    request = Request("GET", path, query, headers, "127.0.0.1", 80)
    return json.dumps(proxy_event.build(request, match, claims, b"", api.binary_types)).encode()


def _print_part(name: str, call: Callable[[], Any], stopwatch: _Stopwatch, seconds: float) -> None:
    for _ in range(5):
        call()
    stopwatch.seconds.clear()
    times, processor, end = [], time.process_time(), time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        with stopwatch.timed("the rest"):
            call()
        times.append(time.perf_counter() - begun)
    processor = (time.process_time() - processor) / len(times)
    parts = "".join(f"{stopwatch.seconds[part] / len(times) * 1e3:15.2f}" for part in PARTS)
    print(f"{name:34}{statistics.mean(times) * 1e3:8.2f}{processor * 1e3:8.2f}{parts}", flush=True)


if __name__ == "__main__":
    main()
