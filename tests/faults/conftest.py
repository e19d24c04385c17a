"""The table of faults and outcomes ends the run."""

import pytest

from tests.faults import table
from tests.faults.timeline import Timeline

TIMELINE = pytest.StashKey[Timeline]()


@pytest.fixture
def timeline(pytestconfig: pytest.Config) -> Timeline:
    made = Timeline()
    pytestconfig.stash[TIMELINE] = made
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    made = config.stash.get(TIMELINE, None)
    if made is not None:
        terminalreporter.section("faults and outcomes")
        for line in table.lines(made):
            terminalreporter.write_line(line)
