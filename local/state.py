"""The state directory: who uses it, its secrets, and what the last run chose."""

import fcntl
import json
import os
import random
import secrets
import socket
import string
import time
from pathlib import Path
from typing import Any

from local import Trouble
from local.disk_changes import sync_directory

_PORTS = range(20_000, 32_768)
"""Linux begins with outgoing connections behind these."""

USERS = {"editor": "editors", "viewer": "viewers", "admin": "admins", "newcomer": None}


class State:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stack_file = directory / "stack.json"
        self.service_log = directory / "logs" / "service.log"

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Raises Trouble when the directory cannot be written, or has lost a part."""
        try:
            if not self.directory.exists():
                self.directory.mkdir(parents=True)
                # When root runs the stack, PostgreSQL runs as another user and has to pass through.
                self.directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
            (self.directory / "logs").mkdir(mode=0o700, exist_ok=True)
            os.close(os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise Trouble(f"{self.directory} cannot be used for the state ({why}).") from None
        self._check_parts()

    def _check_parts(self) -> None:
        """The database is made last, so what is not there beside it was lost. New secrets would not open the database,
        and would change every hash of an identifier; without the emulator's files every image would be missing."""
        for name in ("secrets.json", "emulator"):
            if (self.directory / "postgres" / "cluster").is_dir() and not (self.directory / name).exists():
                raise Trouble(
                    f"{name} is missing from {self.directory}, though its database is there. Restore it from a backup,"
                    " or remove the whole directory to start over."
                )

    def lock(self) -> int:
        """A file descriptor to hand to every child: the lock is held until the last of them is gone."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(descriptor):
            holder = _pid_in(descriptor)
            if holder is not None and _alive(holder):
                raise Trouble(f"{self.directory} is in use by another `make serve` (process {holder}).")
            self._wait_for_the_dying(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def _wait_for_the_dying(self, descriptor: int) -> None:
        deadline = time.monotonic() + 10
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise Trouble(
                    f"Processes of an earlier `make serve` still use {self.directory}; end them and try again."
                )
            time.sleep(0.02)

    def stack(self) -> dict[str, Any]:
        """What the last run that became ready wrote; empty before."""
        try:
            content = json.loads(self.stack_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_stack(self, stack: dict[str, Any]) -> None:
        write_privately(self.stack_file, json.dumps(stack, indent=2) + "\n")

    def secrets(self) -> dict[str, str]:
        """Return the passwords of the database and of the users, the key to the hashes of identifiers, and the access
        key of the emulator; each is made once. Raises Trouble when the file cannot be read."""
        file = self.directory / "secrets.json"
        try:
            known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        except ValueError:
            raise Trouble(f"{file.name} in {self.directory} is not valid JSON. Restore that file.") from None
        # Cognito's default policy wants every kind of character.
        made = {name: f"{secrets.token_urlsafe(18)}-aA1" for name in ("database", "identifiers", *USERS)}
        made |= random_credentials()
        if missing := made.keys() - known.keys():
            known |= {name: made[name] for name in missing}
            write_privately(file, json.dumps(known, indent=2) + "\n")
        return known

    def credentials(self) -> dict[str, str]:
        """The access key of the emulator, by the names that boto3 gives its parts."""
        return {name: value for name, value in self.secrets().items() if name.startswith("aws_")}


def random_credentials() -> dict[str, str]:
    """An access key of the form that AWS gives them."""
    letters = "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    return {"aws_access_key_id": f"AKIA{letters}", "aws_secret_access_key": secrets.token_urlsafe(30)}


def write_privately(file: Path, text: str) -> None:
    """The whole file or none of it, for the owner's eyes only."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    sync_directory(file.parent)


def free_port(preferred: int | None) -> int:
    """The preferred one while it is free, so that addresses given out survive a restart. Else one that the system does
    not give to outgoing connections, one of which could have it by the time it is used."""
    for port in (preferred, *random.sample(_PORTS, 100)):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Trouble("This machine has no free port left.")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode()
    return int(text) if text.isdigit() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
