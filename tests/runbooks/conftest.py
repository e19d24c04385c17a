"""The template of `dev` on the emulator, and two database clusters, as the place where runbooks are followed."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import ROOT, emulator
from local.state import free_port, random_credentials
from tests.conftest import eventually
from tests.infrastructure import emulated
from tests.infrastructure.conftest import assembly, dev, template_of
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import Template
from tests.runbooks.databases import Cluster, clusters
from tests.runbooks.forwarder import Forwarder
from tests.runbooks.place import Place
from tests.runbooks.shell import Runbook, Shell

__all__ = ["assembly", "dev", "template_of"]

SERVICES = (*emulated.SERVICES, "events")


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, Cluster]]:
    with tempfile.TemporaryDirectory(prefix="runbooks-") as directory:
        Path(directory).chmod(0o711)  # when root runs this, PostgreSQL is another user
        with clusters(Path(directory), "first", "second") as made:
            yield made


@pytest.fixture(scope="module")
def deployed(
    dev: Template, assembly: Callable[[str], Path], databases: dict[str, Cluster]  # noqa: F811
) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as directory:
        home, credentials = Path(directory), random_credentials()
        running = emulator.start(home, free_port(None), home / "emulator.log", credentials, services=SERVICES)
        proxy = Forwarder(databases["first"].port)
        try:
            running.wait_until_ready()
            place = Place(Cloud(running.url, credentials), databases, proxy, home)
            place.deploy(dev, assembly("dev"))
            command = [sys.executable, "-m", "tests.runbooks.aws_server", str(home)]
            cli = subprocess.Popen(command, cwd=ROOT, env=os.environ | place.environment())
            eventually(lambda: (home / "aws").exists(), of="the AWS CLI")
            yield place
            cli.kill()
            cli.wait()
        finally:
            proxy.close()
            running.stop()


@pytest.fixture
def place(deployed: Place) -> Iterator[Place]:
    """As a deployment leaves it, without images."""
    deployed.reset()
    yield deployed


@pytest.fixture
def shell(place: Place) -> Iterator[Shell]:
    """A session in which the blocks of the page `Before you begin` were run, with what stands here for the Data API."""
    with Shell(os.environ | place.environment()) as session:
        begin = Runbook(session, "README")
        begin.follow("Before you begin", STAGE="dev", API=place.api, SIGN_IN=place.cloud.url)
        session.paste(place.stand_ins())
        begin.follow("Reach a second database")
        yield session
