"""The template of the commit before: what an update begins with."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.conftest import ROOT

SOURCES = ("app.py", "chalicelib", "infrastructure")
"""What a template is made of."""
_DECIDES = (
    "app.py",
    *(f"infrastructure/{name}" for name in ("stack", "stages.py", "resources.py", "service.py", "roles.py")),
)
"""A commit that changes none of these leaves nearly everything in the template as it was."""


def commit() -> str | None:
    """Returns the newest commit whose template may differ from that of the working directory, or what the environment
    variable PREVIOUS names; None when the repository has no such commit."""
    if chosen := os.environ.get("PREVIOUS"):
        return chosen
    if _git("rev-parse", "--show-toplevel") != str(ROOT):
        return None
    assert _git("rev-parse", "--is-shallow-repository") == "false", (
        "Clone without --depth: an update needs the history."
    )
    if _git("status", "--porcelain", "--", *_DECIDES):
        return _git("rev-parse", "HEAD")
    newest = _git("rev-list", "-1", "HEAD", "--", *_DECIDES)
    return _git("rev-parse", "--verify", "--quiet", f"{newest}~1") if newest else None


def synthesize(revision: str, package: Path, layer: Path, directory: Path) -> Path:
    """Makes the template of dev with the sources of the revision and today's packages. Returns where it lies."""
    archive = subprocess.run(["git", "archive", revision, *SOURCES], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as sources:
        sources.extractall(directory / "sources", filter="data")
    command = [sys.executable, "-m", "infrastructure", "synth", "--stage", "dev", "--no-check"]
    options = ["--package", str(package), "--layer", str(layer), "--output", str(directory / "dev")]
    done = subprocess.run([*command, *options], cwd=directory / "sources", check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "dev"


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() or None
