"""How many times a second does GET /v1/images/{id} answer over HTTP, and where does the time go?

    make serve WORKERS=2            # in one terminal
    .venv/bin/python benchmarks/get_image.py

Rows are paths of growing depth through the same gateway, so that each difference is the cost of one part:
an unknown path (HTTP alone), a refused token, and the whole.
"""

import argparse
import http.client
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from local import tokens


def main() -> None:
    options = _options()
    stack = json.loads((options.state / "stack.json").read_text())
    token = tokens.password_token(stack, "editor")
    image_id = _an_image(stack["api_url"], token)
    cases = {
        "unknown path (gateway, no token check)": ("/nothing", token),
        "refused token (gateway alone)": (f"/images/{image_id}", "x"),
        "GET /v1/tags/0: 400 (no database)": ("/tags/x", token),
        "GET /v1/images/{id}": (f"/images/{image_id}", token),
    }
    print(f"{options.connections} connections, {options.seconds} s each")
    print(f"{'':42}{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}")
    for name, (path, bearer) in cases.items():
        times = _load(stack["api_url"], path, bearer, options.connections, options.seconds)
        cuts = statistics.quantiles(times, n=100)
        rate = len(times) / options.seconds
        print(f"{name:42}{rate:8.0f}{cuts[49] * 1e3:9.2f}{cuts[98] * 1e3:9.2f}{max(times) * 1e3:9.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".local"))
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args()


def _an_image(api_url: str, token: str) -> int:
    url = urlsplit(api_url)
    connection = http.client.HTTPConnection(url.netloc)
    body = json.dumps({"filename": "bench.png", "image_data": "iVBORw0KGgo=", "tags": ["bench a", "bench b"]})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", f"{url.path}/upload", body, headers)
    image_id: int = json.load(connection.getresponse())["id"]
    return image_id


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
    url = urlsplit(api_url)
    connection = http.client.HTTPConnection(url.netloc)
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        connection.request("GET", url.path + path, headers={"Authorization": f"Bearer {token}"})
        connection.getresponse().read()
        times.append(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
