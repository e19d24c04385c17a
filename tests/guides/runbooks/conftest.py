"""The template of `dev` on the emulator, and two database clusters, as the place where runbooks are followed."""

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from local import ROOT, emulator
from local.state import free_port, random_credentials
from tests.conftest import eventually
from tests.guides.runbooks.databases import Cluster, clusters
from tests.guides.runbooks.forwarder import Forwarder
from tests.guides.runbooks.place import Place
from tests.guides.runbooks.shell import Runbook, Shell
from tests.infrastructure import emulated
from tests.infrastructure.conftest import synthesize
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import Template

SERVICES = (*emulated.SERVICES, "events")


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, Cluster]]:
    with tempfile.TemporaryDirectory(prefix="runbooks-") as directory:
        Path(directory).chmod(0o711)  # when root runs this, PostgreSQL is another user
        with clusters(Path(directory), "first", "second") as made:
            yield made


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage `dev` with our own code alone: the emulator's functions see the libraries of this environment, and to
    unpack 170 MB for each version of a function takes longer than everything else."""
    place = tmp_path_factory.mktemp("assembly")
    ours, layer = place / "ours", place / "layer"
    shutil.copytree(ROOT / "chalicelib", ours / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", ours)
    compileall.compile_dir(ours, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    (layer / "python").mkdir(parents=True)
    package, libraries = (Path(shutil.make_archive(str(each), "zip", each)) for each in (ours, layer))
    return synthesize("dev", package, libraries, place / "dev", "--no-check")


@pytest.fixture(scope="module")
def deployed(assembly: Path, databases: dict[str, Cluster]) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as directory:
        home, credentials = Path(directory), random_credentials()
        running = emulator.start(home, free_port(None), home / "emulator.log", credentials, services=SERVICES)
        proxy = Forwarder(databases["first"].port)
        try:
            running.wait_until_ready()
            place = Place(Cloud(running.url, credentials), databases, proxy, home)
            content = json.loads((assembly / f"{emulated.STACK}.template.json").read_text())
            place.deploy(Template(content), assembly)
            command = [sys.executable, "-m", "tests.guides.runbooks.aws_server", str(home)]
            cli = subprocess.Popen(command, cwd=ROOT, env=os.environ | place.environment())
            eventually((home / "aws").exists, of="the AWS CLI")
            yield place
            cli.kill()
            cli.wait()
        finally:
            proxy.close()
            running.stop()


@pytest.fixture
def place(deployed: Place) -> Place:
    """As a deployment leaves it, without images."""
    deployed.reset()
    return deployed


@pytest.fixture
def shell(place: Place) -> Iterator[Shell]:
    """A session in which the blocks of the page `Before you begin` were run, with what stands here for the Data API."""
    with Shell(os.environ | place.environment()) as session:
        begin = Runbook(session, "README")
        begin.follow("Before you begin", STAGE="dev", API=place.api, SIGN_IN=place.cloud.url)
        session.paste(place.stand_ins())
        yield session
