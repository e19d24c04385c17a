"""The AWS emulator (S3, SQS, DynamoDB, Cognito) as a child process."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from local import ROOT, Trouble, children
from local.front.rules import READY, SERVED

REGION = "eu-central-1"
ACCOUNT = "000000000000"

Credentials = dict[str, str]
"""`aws_access_key_id` and `aws_secret_access_key`, as boto3 names them."""


@dataclass
class Emulator:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def wait_until_ready(self) -> None:
        children.wait_until(self._answers, 30, f"The AWS emulator does not start; {self.log} says why.")

    def stop(self) -> None:
        """On this signal, and only then, it writes its state."""
        children.stop(self.process, signal.SIGTERM, 10)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise Trouble(f"The AWS emulator ended while starting; {self.log} says why.")
        try:
            with urllib.request.urlopen(f"{self.url}{READY}", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def start(
    directory: Path,
    port: int,
    log: Path,
    credentials: Credentials,
    *,
    services: tuple[str, ...] = SERVED,
    keep_open: tuple[int, ...] = (),
) -> Emulator:
    """Does not wait until it answers. Only `credentials` may sign, and only for `services`; where `sts` is one of them,
    its sessions may too."""
    for name in ("state", "objects", "tmp"):
        (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = children.spawn(
            [sys.executable, "-m", "local.run_ministack"],
            at_parents_death=signal.SIGTERM,
            env=_environment(directory, port, credentials, services),
            cwd=ROOT,
            pass_fds=keep_open,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    return Emulator(process, f"http://127.0.0.1:{port}", log)


def _environment(directory: Path, port: int, credentials: Credentials, services: tuple[str, ...]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINISTACK_"))}
    return inherited | {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",  # they would listen on every address
        "SFTP_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "objects"),
        "TMPDIR": str(directory / "tmp"),
        "SERVICES": ",".join(services),
        "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
    }
