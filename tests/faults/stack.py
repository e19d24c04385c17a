"""A stack to do harm to: its database on a small file system of its own, its clocks to be set, its DynamoDB behind a
proxy. What a machine does not allow is left out; `Site.can` says what it does."""

import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from tests.faults.proxy import Proxy
from tests.local.conftest import Stack, fresh_directory

DISK_BYTES = 700_000_000
STORAGE_BYTES = 300_000_000
CLOCKS = ("service", "database")


class Site(Stack):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory
        self.disk = self.state / "postgres"
        self.storage_disk = self.state / "emulator"
        self.proxy = Proxy(lambda: self.description)
        self.can_set_clocks = _put_clocks(directory)
        self.can_fill_the_disk = _mount(self.disk, DISK_BYTES, "nobody") and _mount(self.storage_disk, STORAGE_BYTES)

    def command(self) -> list[str]:
        clocks = str(self.directory) if self.can_set_clocks else "-"
        options = ["serve", "--port", str(self.port), "--state", str(self.state), "--workers", "2"]
        return [sys.executable, "-m", "tests.faults.serve", self.proxy.url, clocks, *options]

    def set_clock(self, name: str, seconds: int) -> None:
        _write_clock(self.directory / name, seconds)

    def sql(self, statement: str, parameters: Any = None, database: str | None = None) -> list[Any]:
        url: str = self.description["database_url"]
        connection = psycopg2.connect(url.rsplit("/", 1)[0] + f"/{database}" if database else url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def reap(self) -> None:
        """After it was killed."""
        assert self.process is not None
        self.process.wait(10)

    def pids(self, part: str) -> list[int]:
        return [pid for pid, line in self.processes().items() if part in line]


@contextmanager
def running_site() -> Iterator[Site]:
    with fresh_directory() as directory, ExitStack() as last:
        site = Site(directory)
        if site.can_fill_the_disk:
            for disk in (site.disk, site.storage_disk):
                last.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
        last.enter_context(site.proxy.running())
        last.callback(site.stop)
        site.start()
        yield site


def _put_clocks(directory: Path) -> bool:
    """The library that pretends comes ready for one kind of machine only."""
    package = importlib.util.find_spec("libfaketime")
    if package is None or (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return False
    library = Path(str(package.origin)).parent / "vendor/libfaketime/src/libfaketime.so.1"
    shutil.copy(library, directory)
    (directory / library.name).chmod(0o755)
    for name in CLOCKS:
        _write_clock(directory / name, 0)
    return True


def _write_clock(file: Path, seconds: int) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(f"{seconds:+d}\n")
    draft.chmod(0o644)
    draft.replace(file)


def _mount(disk: Path, size: int, user: str = "root") -> bool:
    """Only root may."""
    if os.geteuid() != 0:
        return False
    disk.parent.mkdir(mode=0o711, exist_ok=True)
    disk.mkdir()
    owner = pwd.getpwnam(user)
    options = f"size={size},mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "faults", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return True
    disk.rmdir()
    return False
