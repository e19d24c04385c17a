"""The parts of the stack, in the order in which they need one another."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infrastructure.resources import STAGE
from local import ROOT, Trouble, children, emulator, environment, postgres
from local.state import State, free_port

_IDS = ("user_pool_id", "client_id", "machines")
_CHECK_SETTINGS = "import sys; from chalicelib.events.checks import complaint; sys.exit(complaint())"
_MIGRATE = "from chalicelib.database import migrations; migrations.upgrade()"
_REFUSED = re.compile(r"chalicelib\.database\.catalog\.(?:Newer)?SchemaError: (.*)")
"""The last line of a migration that refuses the database."""


class Parts:
    def __init__(self, state: State, listener: socket.socket, workers: int, lock: int) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """Those that ought to run, by name."""
        self._state = state
        self._listener = listener
        self._workers = workers
        self._lock = lock
        self._postgres_directory = state.directory / "postgres"
        self._secrets = state.secrets()
        self._credentials = state.credentials()
        self._stack = state.stack()
        self._ports = {
            "postgres": free_port(_port(self._stack.get("database_url"))),
            "emulator": free_port(_port(self._stack.get("aws_endpoint_url"))),
        }

    def start(self) -> None:
        """Until everything serves. Slow starters overlap."""
        self._say("Starting PostgreSQL and the AWS emulator")
        self._start_emulator()
        self._start_postgres()
        check, migration = self._check_of_settings(), self._migration()
        self._provision()
        self._finish_check(check)
        self._say("Starting the service")
        ready = self._spawn_gateway()
        self._finish(migration)
        self._await_gateway(ready)
        self._start_delivery()
        self._start_inspection()
        self._start_schedules()
        self._state.write_stack(self._stack)

    def start_again(self, name: str) -> None:
        match name:
            case "database":
                self._start_postgres()
            case "emulator":
                self._start_emulator()
                if self._provision():
                    self._restart_service()
            case "gateway":
                self._await_gateway(self._spawn_gateway())
            case "delivery":
                self._start_delivery()
            case "inspection":
                self._start_inspection()
            case "schedules":
                self._start_schedules()

    def stop(self) -> None:
        """What needs another part ends before it."""
        for name, with_signal in (
            ("gateway", signal.SIGTERM),
            ("delivery", signal.SIGTERM),
            ("inspection", signal.SIGTERM),
            ("schedules", signal.SIGTERM),
            ("emulator", signal.SIGTERM),
            ("database", signal.SIGINT),
        ):
            if name in self.processes:
                children.stop(self.processes[name], with_signal, 10)

    def _start_postgres(self) -> None:
        directory, log = self._postgres_directory, self._state.log("postgres")
        if not os.path.lexists(directory):
            self._say("Making the database")
        self._postgres = postgres.start(
            directory, self._ports["postgres"], self._secrets["database"], log, keep_open=(self._lock,)
        )
        self.processes["database"] = self._postgres.process
        self._postgres.wait_until_ready()

    def _start_emulator(self) -> None:
        directory, log = self._state.directory / "emulator", self._state.log("emulator")
        self._emulator = emulator.start(
            directory, self._ports["emulator"], log, self._credentials, keep_open=(self._lock,)
        )
        self.processes["emulator"] = self._emulator.process

    def _provision(self) -> bool:
        """Whether something has another name than before."""
        from local import provisioning  # noqa: PLC0415  boto3 takes its time, during which the emulator starts

        before = self._stack
        clients = provisioning.Clients(self._emulator.url, self._credentials)
        self._emulator.wait_until_ready()
        callback = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        made = provisioning.provision(clients, self._emulator.url, self._secrets, callback)
        clients.close()
        self._stack = self._addresses() | made
        changed = any(before.get(name) != made[name] for name in _IDS)
        if changed:
            # The emulator writes its state only when it ends in order: now it cannot be lost any more.
            self._emulator.stop()
            self._start_emulator()
            self._emulator.wait_until_ready()
        return changed

    def _addresses(self) -> dict[str, Any]:
        return {
            "api_url": f"http://127.0.0.1:{self._listener.getsockname()[1]}/{STAGE}",
            "database_url": self._postgres.url,
            **self._credentials,
            "identifier_key": self._secrets["identifiers"],
            "log": str(self._state.service_log),
            "pid": os.getpid(),
        }

    def _restart_service(self) -> None:
        self._state.write_stack(self._stack)
        for name in ("gateway", "delivery", "inspection", "schedules"):
            children.stop(self.processes[name], signal.SIGTERM, 10)
        self._await_gateway(self._spawn_gateway())
        self._start_delivery()
        self._start_inspection()
        self._start_schedules()

    def _migration(self) -> subprocess.Popen[bytes]:
        """Runs beside the emulator's start, so the pool may have no id yet; nothing here asks for it."""
        return self._python(["-c", _MIGRATE], self._state.log("migration"), self._known_early())

    def _check_of_settings(self) -> subprocess.Popen[bytes]:
        """Runs beside the emulator's start too. The gateway would only find out what its own functions need."""
        self._state.log("settings").unlink(missing_ok=True)
        return self._python(["-c", _CHECK_SETTINGS], self._state.log("settings"), self._known_early())

    def _finish_check(self, check: subprocess.Popen[bytes]) -> None:
        if check.wait() != 0:
            raise Trouble(self._state.log("settings").read_text().strip())

    def _known_early(self) -> dict[str, Any]:
        known = {"user_pool_id": "unknown", "region": emulator.REGION, "aws_endpoint_url": self._emulator.url}
        names = {"bucket": "unknown", "access_log_table": "unknown", "inspection_queue": ""}
        return names | known | self._addresses()

    def _finish(self, migration: subprocess.Popen[bytes]) -> None:
        """Raises Trouble, with the sentence with which the migration refused the database if it did."""
        if migration.wait() != 0:
            log = self._state.log("migration")
            refused = _REFUSED.fullmatch(log.read_text().rstrip().rpartition("\n")[2])
            raise Trouble(refused[1] if refused else f"The database cannot be migrated; the end of {log} says why.")

    def _spawn_gateway(self) -> int:
        """A descriptor to read one line from, when it serves or cannot."""
        reading, writing = os.pipe()
        inherited = (self._listener.fileno(), writing)
        numbers = [self._listener.fileno(), writing, self._workers, self._lock]
        command = ["-m", "local.gateway", *map(str, numbers)]
        self.processes["gateway"] = self._python(command, self._state.service_log, self._stack, inherited)
        os.close(writing)
        return reading

    def _await_gateway(self, ready: int) -> None:
        readable, _, _ = select.select([ready], [], [], 30)
        line = os.read(ready, 10_000).decode() if readable else ""
        os.close(ready)
        if line != "\n":
            raise Trouble(line.strip() or f"The gateway does not start; the end of {self._state.service_log} says why.")

    def _start_delivery(self) -> None:
        command = ["-m", "local.delivery", "storage", self._stack["storage_event_queue"]]
        self.processes["delivery"] = self._python(command, self._state.service_log, self._stack)

    def _start_inspection(self) -> None:
        command = ["-m", "local.delivery", "inspection", self._stack["inspection_queue"]]
        self.processes["inspection"] = self._python(command, self._state.service_log, self._stack)

    def _start_schedules(self) -> None:
        self.processes["schedules"] = self._python(["-m", "local.schedules"], self._state.service_log, self._stack)

    def _python(
        self, command: list[str], log: Path, stack: dict[str, Any], inherited: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return children.spawn(
                [sys.executable, *command],
                env=environment.of_service(stack),
                cwd=ROOT,
                pass_fds=(self._lock, *inherited),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _say(self, what: str) -> None:
        print(f"{what} …", flush=True)


def _port(url: str | None) -> int | None:
    return urlsplit(url).port if url else None
