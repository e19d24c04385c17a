"""Lambda for one function: a Runtime API, and the real runtime client in a process that sees the package alone."""

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

RUNTIME_PACKAGES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
"""What Lambda's runtime itself brings, as far as it is needed."""

API = "/2018-06-01/runtime"
ARN = "arn:aws:lambda:eu-central-1:000000000000:function:tagged-image-manager:live"


class Report(NamedTuple):
    """What the process has told the Runtime API: `response`, `error`, `init/error`, `restore/next`, `restore/error`."""

    kind: str
    content: Any


class RuntimeApi:
    """Hands out the events that it is given, and keeps what comes back."""

    def __init__(self) -> None:
        self.events: queue.Queue[bytes | None] = queue.Queue()
        self.reports: queue.Queue[Report] = queue.Queue()
        self.restore = threading.Event()
        """Until it is set, a function that has been made a snapshot of stays one."""
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.events.put(None)
        self.restore.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """The function was killed in the middle."""


def _handler_of(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            if self.path == f"{API}/restore/next":
                api.reports.put(Report("restore/next", None))
                api.restore.wait()
                self._answer(200, b"")
            elif (event := api.events.get()) is not None:
                self._answer(200, event)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.path.removeprefix(f"{API}/")
            api.reports.put(Report(kind.rpartition("/")[2] if "invocation" in kind else kind, json.loads(content)))
            self._answer(202, b'{"status": "OK"}')

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            headers = {
                "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 29) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@dataclass
class Function:
    """A running execution environment."""

    api: RuntimeApi
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    """What it has logged."""

    def invoke(self, event: Any) -> Report:
        self.api.events.put(json.dumps(event).encode())
        return self.report()

    def report(self, seconds: float = 30) -> Report:
        try:
            return self.api.reports.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"The function has said nothing for {seconds} s: {''.join(self.lines)}") from None


@contextmanager
def running(handler: str, code: Path, environment: Mapping[str, str], *options: str) -> Iterator[Function]:
    """`handler` of the unpacked package, started with these options of Python. Environment variables are Lambda's and
    the given ones, none of ours."""
    api = RuntimeApi()
    command = [_base_python(), "-S", "-s", *options, "-m", "awslambdaric", handler]
    variables = _environment(api.address, handler, code) | dict(environment)
    if "PYTHONPATH" in environment:
        variables["PYTHONPATH"] = os.pathsep.join(
            (str(code), str(code.with_name("runtime")), environment["PYTHONPATH"])
        )
    process = subprocess.Popen(
        command, cwd=code, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    function = Function(api, process)
    reader = threading.Thread(target=lambda: function.lines.extend(iter(process.stdout or ())))
    reader.start()
    try:
        yield function
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()
        api.close()


def unpack(package: Path, directory: Path) -> Path:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    return directory


def runtime_path(directory: Path) -> Path:
    """A directory with the runtime's own packages, apart from everything else that is installed here."""
    directory.mkdir(exist_ok=True)
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        source = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
        (directory / source.name).symlink_to(source)
    return directory


def _base_python() -> str:
    """Without the virtual environment that the tests run in."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return base


def _environment(address: str, handler: str, code: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{code}{os.pathsep}{code.with_name('runtime')}",
        "PYTHONDONTWRITEBYTECODE": "1",  # as on Lambda, whose code is read-only
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": handler,
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "tagged-image-manager",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "TZ": ":UTC",
    }
