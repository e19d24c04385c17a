"""What clients rely on stays: of what is on the wire nothing is renamed or removed, and no request needs more."""

from tests.openapi.released import RELEASED, REQUIRED, names

RECORDED = set(RELEASED.read_text().splitlines())
NOW = names()


def test_nothing_that_was_released_has_gone() -> None:
    gone = {name for name in RECORDED - NOW if not name.endswith(REQUIRED)}

    assert not gone, "clients rely on these names: give them back"


def test_no_released_request_requires_more_than_it_did() -> None:
    calls = {name.rpartition(" operationId ")[0] for name in RECORDED if " operationId " in name}
    more = {name for name in NOW - RECORDED if name.endswith(REQUIRED) and " ".join(name.split()[:2]) in calls}

    assert not more, "yesterday's requests lack these"


def test_what_is_on_the_wire_is_recorded() -> None:
    """A new name is recorded when it is released: `python -m tests.openapi.released` adds it."""
    new = NOW - RECORDED

    assert not new, "run `.venv/bin/python -m tests.openapi.released` and commit released.txt"
