"""The code of the previous release, from the history of this repository."""

import io
import subprocess
import tarfile
from pathlib import Path

MIGRATIONS = "chalicelib/database/migrations/versions"
DEPLOYED = ("app.py", "chalicelib")
"""What a release consists of, beside its packages."""

Migrations = dict[str, str]
"""The id that git gives each file by its content, by name."""


class NoPreviousReleaseError(Exception):
    """The history does not reach back to a release with other migrations; the message says what to do."""


def is_repository(root: Path) -> bool:
    return (root / ".git").exists()


def previous_release(root: Path) -> str:
    """Returns the newest commit whose migrations are not those of the working tree. Its code runs while a deployment
    migrates the schema to today's, and after a rollback. Of a merged branch only the merge counts. Raises
    NoPreviousReleaseError."""
    now = _in_working_tree(root)
    parents = git(root, "log", "--first-parent", "--format=%P", "--", MIGRATIONS).splitlines()
    for commit in ("HEAD", *(parent.split()[0] for parent in parents if parent)):
        then = committed(root, commit)
        if then and then != now:
            return git(root, "rev-parse", commit).strip()
    raise NoPreviousReleaseError(
        "The history of this repository has no commit with other migrations than the working tree, so the code of the"
        " previous release cannot be tested. If this is a shallow clone, run `git fetch --unshallow`."
    )


def unpack(root: Path, commit: str, directory: Path) -> Path:
    """Writes what the commit deploys into the directory, and returns the directory."""
    archive = _run(root, "archive", "--format=tar", commit, *DEPLOYED)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    return directory


def committed(root: Path, commit: str) -> Migrations:
    entries = git(root, "ls-tree", commit, f"{MIGRATIONS}/").splitlines()
    named = ((line.split()[2], line.rpartition("/")[2]) for line in entries)
    return {name: blob for blob, name in named if name.endswith(".py")}


def git(root: Path, *arguments: str) -> str:
    """Returns what git prints. Raises NoPreviousReleaseError with what it complains of."""
    return _run(root, *arguments).decode()


def _in_working_tree(root: Path) -> Migrations:
    paths = sorted((root / MIGRATIONS).glob("*.py"))
    ids = git(root, "hash-object", "--", *map(str, paths)).split()
    return dict(zip((path.name for path in paths), ids, strict=True))


def _run(root: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise NoPreviousReleaseError("This is a git repository, but there is no program `git` to read it.") from None
    except subprocess.CalledProcessError as error:
        raise NoPreviousReleaseError(f"git cannot read the history: {error.stderr.decode().strip()}") from None
