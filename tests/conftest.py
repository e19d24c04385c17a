"""What every kind of test may ask for. The stack is started once, and only when a test wants it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock

from infrastructure import packaging
from tests import privacy

ROOT = Path(__file__).parents[1]

# Enough to import the product; the integration tests put the real ones in their place.
os.environ |= {
    "DATABASE_URL": "postgresql+psycopg2://nobody@127.0.0.1:1/none",
    "IMAGE_BUCKET": "tagged-image-manager-images",
    "ACCESS_LOG_TABLE": "tagged-image-manager-access-log",
    "USER_POOL_ARN": "arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_example",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "TaggedImageManager",
}

os.environ.pop("AWS_SESSION_TOKEN", None)

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], within: float = 20, of: str = "the condition") -> Value:
    """The first true value of the condition; fails when there is none in time (seconds)."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{of} did not come about within {within} s"
        pause.wait(0.02)
    return value


def aws_client(stack: dict[str, Any], service: str) -> Any:
    """The SDK's client of the stack's emulator, with the stack's own access key."""
    import boto3  # noqa: PLC0415  most tests do without, and it is slow to import

    named = {name: stack[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client(service, endpoint_url=stack["aws_endpoint_url"], region_name=stack["region"], **named)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class LambdaContext:
    """As far as the product and its logger look at it."""

    aws_request_id: str = "function-request"
    function_name: str = "tagged-image-manager"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:000000000000:function:tagged-image-manager"


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Returns a function that makes a file or directory of this name, once for all processes that run these tests: the
    first makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        place, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                make(place)
                done.touch()
        return place

    return made


@pytest.fixture(scope="session")
def package(once: Once) -> Path:
    """The zip for the machine that runs the tests; if that is x86_64 with Python 3.13, to the byte what Lambda gets."""
    return once("function.zip", lambda place: packaging.build(packaging.Target.here(), place))


@pytest.fixture(scope="session")
def layer(once: Once) -> Path:
    """The zip with the imaging libraries, for the machine that runs the tests."""
    return once("imaging.zip", lambda place: packaging.build_layer(packaging.Target.here(), place))


@pytest.fixture(scope="session")
def stack() -> Iterator[dict[str, Any]]:
    """The whole service, running: the contents of its stack.json."""
    with running_stack() as description:
        yield description


@contextmanager
def running_stack() -> Iterator[dict[str, Any]]:
    """With data of its own."""
    # Not among pytest's own directories: PostgreSQL, when root runs the tests, is another user, who cannot enter them.
    home = Path(tempfile.mkdtemp(prefix="stack-"))
    home.chmod(0o711)
    state = home / "state"
    command = [
        sys.executable,
        "-m",
        "local",
        "serve",
        "--port",
        str(free_port()),
        "--state",
        str(state),
        "--workers",
        "2",
    ]
    with (home / "serve.log").open("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            eventually(lambda: "Ready: " in Path(output.name).read_text() or process.poll() is not None, within=60)
            assert process.poll() is None, Path(output.name).read_text()
            yield json.loads((state / "stack.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            leaks = privacy.leaks(state)
            shutil.rmtree(home)
            assert leaks == [], "its logs hold what no log may hold"
