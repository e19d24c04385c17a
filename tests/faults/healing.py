"""Images whose event was lost: the reconciliation is not waited for, but run as its schedule would."""

import subprocess
import sys
from collections.abc import Iterable

from local import ROOT, environment
from tests.conftest import eventually
from tests.faults.promises import Promises
from tests.faults.stack import Site

_RECONCILE = """
import app
from local.invocation import context
from local.schedules import scheduled_event
app.reconcile(scheduled_event("reconcile"), context(60))
"""
_WAITING = "SELECT count(*) FROM images WHERE id = ANY (%s) AND status <> 'present'"


def heal(site: Site, promises: Iterable[Promises]) -> int:
    """How many of the images whose file was stored had not heard of it."""
    stored = [image.id for each in promises for image in each.images if image.id and image.file == "promised"]

    def waiting() -> int:
        ((number,),) = site.sql(_WAITING, (stored,))
        return int(number)

    late = waiting()
    if late:
        eventually(lambda: _reconciled(site) and not waiting(), of="the presence of every stored file")
    return late


def _reconciled(site: Site) -> bool:
    settings = environment.of_service(site.description)
    return subprocess.run([sys.executable, "-c", _RECONCILE], env=settings, cwd=ROOT, check=True).returncode == 0
