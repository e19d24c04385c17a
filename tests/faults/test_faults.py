"""Whatever breaks: what was acknowledged is there, once and whole, and every access is on record."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.faults import accesses, campaign, healing
from tests.faults.auditor import Auditor
from tests.faults.clients import Client, writing
from tests.faults.faults import A_HANDFUL, FAULTS, possible
from tests.faults.injury import Fault, Injury
from tests.faults.stack import Site, running_site
from tests.faults.timeline import Timeline

SECONDS = int(os.environ.get("FAULT_SECONDS", "0"))
"""0: a handful of faults, each once; else all of them, again and again."""

FAULTS_WANTED, WRITES_WANTED = 50, 10_000
RECOVERY_SECONDS = 5


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


def test_what_was_acknowledged_is_there_once_and_whole_and_every_access_on_record(
    site: Site, timeline: Timeline
) -> None:
    with writing(site.description, timeline) as clients:
        campaign.strike(Injury(site, timeline), _chosen(site))

    _audit(site, timeline, clients)

    assert timeline.findings == []
    assert timeline.total("acknowledged") > (WRITES_WANTED if SECONDS else 100)
    if SECONDS:
        assert len(timeline.recoveries) >= FAULTS_WANTED
        assert {fault: took for fault, took in timeline.recoveries if took > RECOVERY_SECONDS} == {}


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


def _audit(site: Site, timeline: Timeline, clients: list[Client]) -> None:
    promises = [client.promises for client in clients]
    timeline.healed = healing.heal(site, promises)
    Auditor(site, timeline).compare(promises)
    accesses.compare(site, timeline, [access for client in clients for access in client.caller.accesses])
