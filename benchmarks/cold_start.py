"""How long does a new Lambda environment take to its first answer, and what of it is whose?

    .venv/bin/python benchmarks/cold_start.py

From the package, unpacked and run by the real runtime client in a new process each time (see tests/lambda_runtime): the
process's start to its first answer, the median of several. `floor` is a handler that does nothing. PostgreSQL is real;
S3 and DynamoDB are a server that says yes to everything at once. Times are in milliseconds.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.server import named_or_own
from infrastructure import packaging
from infrastructure.packaging import Target
from infrastructure.resources import FUNCTION_ENVIRONMENT
from tests.lambda_runtime import events, runtime

NOTHING = "def app(event, context):\n    return {}\n"
POOL = "arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_example"
IMPORTS_ABOVE_MS = 2.0


class Case(NamedTuple):
    name: str
    handler: str
    event: Any


FIRST_ANSWERS = [
    Case("API, no query", "app.app", events.http("GET", "/images?unknown=1")),
    Case("API, first query", "app.app", events.http("GET", "/images")),
    Case("S3 event, no query", "app.record_storage_event", events.poisoned()),
    Case("S3 event, first query", "app.record_storage_event", events.stored("images/of-nobody")),
    Case("reconcile", "app.reconcile", events.scheduled("reconcile")),
    Case("tidy", "app.tidy", events.scheduled("tidy")),
    Case("purge", "app.purge", events.scheduled("purge")),
    Case("migrate", "app.migrate", {}),
]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as directory, named_or_own(None) as database, _aws() as endpoint:
        bench = Bench(Path(directory), _settings(database, endpoint), options.runs)
        bench.once(FIRST_ANSWERS[-1])
        floor = bench.print_first_answers()
        bench.print_imports(FIRST_ANSWERS[0])
        bench.print_warm(options.requests)
        bench.drop_bytecode()
        print("\nThe same without bytecode in the package")
        bench.print_first_answers(floor)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000)
    return parser.parse_args()


def _settings(database: str, endpoint: str) -> dict[str, str]:
    return FUNCTION_ENVIRONMENT | {
        "DATABASE_URL": database.replace("postgresql://", "postgresql+psycopg2://"),
        "IMAGE_BUCKET": "tagged-image-manager-images",
        "ACCESS_LOG_TABLE": "tagged-image-manager-access-log",
        "USER_POOL_ARN": POOL,
        "AWS_ENDPOINT_URL": endpoint,
    }


class Bench:
    def __init__(self, directory: Path, settings: dict[str, str], runs: int) -> None:
        self._settings, self._runs = settings, runs
        runtime.runtime_path(directory / "runtime")
        package = packaging.build(Target.here(), directory / "function.zip")
        self._code = runtime.unpack(package, directory / "code")
        self._nothing = directory / "nothing"
        self._nothing.mkdir()
        (self._nothing / "app.py").write_text(NOTHING)

    def once(self, case: Case, code: Path | None = None) -> float:
        begun = time.perf_counter()
        with runtime.running(case.handler, code or self._code, self._settings) as function:
            function.invoke(case.event)
            return (time.perf_counter() - begun) * 1e3

    def print_first_answers(self, floor: float | None = None) -> float:
        """In turns, so that a busy moment of the machine falls on all."""
        idle = Case("floor", "app.app", {})
        times: dict[str, list[float]] = {case.name: [] for case in (idle, *FIRST_ANSWERS)}
        for _ in range(self._runs):
            times["floor"].append(self.once(idle, self._nothing))
            for case in FIRST_ANSWERS:
                times[case.name].append(self.once(case))
        floor = floor or statistics.median(times["floor"])
        print(f"{'process start to first answer':34}{'median':>9}{'worst':>9}{'x floor':>9}")
        for name, taken in times.items():
            median = statistics.median(taken)
            print(f"{name:34}{median:9.1f}{max(taken):9.1f}{median / floor:9.1f}", flush=True)
        return floor

    def print_imports(self, case: Case) -> None:
        with runtime.running(case.handler, self._code, self._settings, "-X", "importtime") as function:
            function.invoke(case.event)
        print(f"\n{'imports for ' + case.name:54}{'its own':>9}{'all':>9}")
        rows = [
            line.removeprefix("import time:").split("|") for line in function.lines if line.startswith("import time:")
        ]
        for own, total, name in sorted(rows[1:], key=lambda row: -int(row[1])):
            if int(total) / 1e3 >= IMPORTS_ABOVE_MS:
                print(f"{name.rstrip()[1:][:54]:54}{int(own) / 1e3:9.1f}{int(total) / 1e3:9.1f}")

    def print_warm(self, requests: int) -> None:
        print(f"\n{f'warm, {requests} requests each':34}{'p50':>9}{'p99':>9}")
        idle = Case("floor", "app.app", {})
        for case, code in ((idle, self._nothing), (FIRST_ANSWERS[0], self._code), (FIRST_ANSWERS[1], self._code)):
            times = []
            with runtime.running(case.handler, code, self._settings) as function:
                function.invoke(case.event)
                for _ in range(requests):
                    begun = time.perf_counter()
                    function.invoke(case.event)
                    times.append((time.perf_counter() - begun) * 1e3)
            cuts = statistics.quantiles(times, n=100)
            print(f"{case.name:34}{cuts[49]:9.2f}{cuts[98]:9.2f}", flush=True)

    def drop_bytecode(self) -> None:
        for path in self._code.rglob("*.pyc"):
            path.unlink()


@contextmanager
def _aws() -> Iterator[str]:
    class Yes(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


if __name__ == "__main__":
    main()
