"""A small service for the gateway, and whole stacks to be started, killed and started again."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import ROOT, tokens
from tests import privacy
from tests.conftest import eventually, free_port

TINY_APP = """
import os, signal, time
from chalice import Chalice, CORSConfig, Response

app = Chalice(app_name="tiny", configure_logs=False)
app.api.cors = CORSConfig(allow_origin="https://example.org", expose_headers=["ETag"])
app.api.binary_types = ["application/dicom"]

@app.route("/event", methods=["GET", "POST"], content_types=["application/json", "application/dicom"])
def event():
    return app.current_request.to_original_event()

@app.route("/pid/{seconds}")
def pid(seconds):
    time.sleep(float(seconds))
    return {"pid": os.getpid(), "left": app.lambda_context.get_remaining_time_in_millis()}

@app.route("/die/{seconds}")
def die(seconds):
    time.sleep(float(seconds))
    os.kill(os.getpid(), signal.SIGKILL)

@app.route("/large")
def large():
    return "x" * 7_000_000

@app.route("/malformed")
def malformed():
    return Response("", headers={"X-Broken": {"not": "text"}})
"""


@pytest.fixture
def tiny_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of its app.py, made the current one."""
    (tmp_path / "app.py").write_text(TINY_APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


class Stack:
    """One state directory and port; `make serve` on it, again and again."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        options = ["--port", str(self.port), "--state", str(self.state), "--workers", "2"]
        return [sys.executable, "-m", "local", "serve", *options]

    def spawn(self) -> subprocess.Popen[bytes]:
        self.output = self.state.with_name("output")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(self.command(), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        return self.process

    def start(self) -> None:
        process = self.spawn()
        eventually(lambda: "Ready: " in self.said or process.poll() is not None, within=60, of="Ready")
        assert process.poll() is None, self.said

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def description(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "stack.json").read_text())
        return content

    def client(self, user: str = "editor") -> httpx.Client:
        token = tokens.password_token(self.description, user)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.description["api_url"] + "/", headers=headers, timeout=30)

    def processes(self) -> dict[int, str]:
        """Command lines by process id of all that hold the lock: the parent and every descendant."""
        lock = str(self.state / "lock")
        return {pid: line for pid in _pids() if (line := _command_line(pid)) is not None and lock in open_files(pid)}

    def one(self, part: str) -> int:
        return next(pid for pid, line in self.processes().items() if part in line)

    def end(self, with_signal: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(20)

    def stop(self) -> None:
        """If it runs. Its logs are looked through for what no log may hold."""
        if self.process and self.process.poll() is None:
            self.end(signal.SIGTERM)
        assert privacy.leaks(self.state) == [], "its logs hold what no log may hold"


@contextmanager
def fresh_directory() -> Iterator[Path]:
    """Where PostgreSQL's user can go, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="stack-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def fresh_stack() -> Iterator[Stack]:
    with fresh_directory() as directory:
        stack = Stack(directory)
        yield stack
        stack.stop()


@pytest.fixture
def a_stack() -> Iterator[Stack]:
    """Not started yet; the test may do with it what it likes."""
    with fresh_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Started once, for the tests that only look at it."""
    with fresh_stack() as stack:
        stack.start()
        yield stack


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return None


def open_files(pid: int) -> set[str]:
    try:
        return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()  # it ended just now, or is not ours
