"""Whatever breaks: what was acknowledged is there, once and whole, and every access is on record."""

from tests.faults import accesses
from tests.faults.auditor import Auditor
from tests.faults.conftest import SECONDS, Aftermath
from tests.faults.timeline import Timeline

FAULTS_WANTED, WRITES_WANTED = 50, 10_000
RECOVERY_SECONDS = 5


def test_what_was_acknowledged_is_there_once_and_whole_and_every_access_on_record(
    aftermath: Aftermath, timeline: Timeline
) -> None:
    Auditor(aftermath.site, timeline).compare(aftermath.promises)
    accesses.compare(aftermath.site, timeline, aftermath.accesses)

    assert timeline.findings == []
    assert timeline.total("acknowledged") > (WRITES_WANTED if SECONDS else 100)
    if SECONDS:
        assert len(timeline.recoveries) >= FAULTS_WANTED
        assert [recovery for recovery in timeline.recoveries if recovery.seconds > RECOVERY_SECONDS] == []
