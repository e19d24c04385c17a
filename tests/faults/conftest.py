"""A stack to which everything has happened, ready to be audited; the table of it ends the run."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults import campaign, healing, table
from tests.faults.caller import Access
from tests.faults.clients import writing
from tests.faults.faults import A_HANDFUL, FAULTS, possible
from tests.faults.injury import Fault, Injury, name_of
from tests.faults.promises import Promises
from tests.faults.stack import Site, running_site
from tests.faults.timeline import Timeline

SECONDS = int(os.environ.get("FAULT_SECONDS", "0"))
"""0: a handful of faults, each once; else all of them, again and again."""

_TIMELINE = pytest.StashKey[Timeline]()


@dataclass(frozen=True)
class Aftermath:
    site: Site
    promises: list[Promises]
    """One of each client."""
    accesses: list[Access]


@pytest.fixture(scope="session")
def timeline(pytestconfig: pytest.Config) -> Timeline:
    return pytestconfig.stash.setdefault(_TIMELINE, Timeline())


@pytest.fixture(scope="package")
def aftermath(timeline: Timeline) -> Iterator[Aftermath]:
    with running_site() as site:
        timeline.left_out = [name_of(fault) for fault in FAULTS if fault not in possible(FAULTS, site)]
        with writing(site.description, timeline) as clients:
            campaign.strike(Injury(site, timeline), _chosen(site))
        promises = [client.promises for client in clients]
        timeline.healed = healing.heal(site, promises)
        yield Aftermath(site, promises, [access for client in clients for access in client.caller.accesses])


def _chosen(site: Site) -> Iterator[Fault]:
    if not SECONDS:
        yield from possible(A_HANDFUL, site)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        chosen = possible(FAULTS, site)
        random.shuffle(chosen)
        for fault in chosen:
            if time.monotonic() < end:
                yield fault


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    timeline = config.stash.get(_TIMELINE, None)
    if timeline is not None:
        terminalreporter.section("faults and outcomes")
        for line in table.lines(timeline):
            terminalreporter.write_line(line)
