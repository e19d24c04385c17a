"""A day of the access log, put together from its keys."""

from collections.abc import Mapping, Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws import access_log_days as days
from chalicelib.aws.access_log_days import Item, KeyPage

DAY = "2026-11-27"


@given(
    of_requests=st.lists(st.integers(0, days.SHARDS), max_size=300),
    limit=st.integers(1, 101),
    is_one_more_than_asked_for_noticed=st.booleans(),
)
def test_the_newest_of_all_keys_are_found_in_two_rounds_at_most(
    of_requests: list[int], limit: int, is_one_more_than_asked_for_noticed: bool
) -> None:
    """Of each request the number of its key, the oldest first."""
    stored: dict[str, list[Item]] = {key: [] for key in days.keys(DAY)}
    for moment, number in enumerate(of_requests):
        stored[days.keys(DAY)[number]].insert(0, {"moment": f"{moment:05}"})
    rounds: list[Mapping[str, int]] = []

    def ask(wanted: Mapping[str, int]) -> Sequence[KeyPage]:
        rounds.append(wanted)
        unseen = {key: len(stored[key]) - count for key, count in wanted.items()}
        more = {key: left > 0 or (left == 0 and is_one_more_than_asked_for_noticed) for key, left in unseen.items()}
        return [KeyPage(stored[key][:count], more[key]) for key, count in wanted.items()]

    newest = days.newest(DAY, limit, ask)

    expected = sorted((item["moment"] for items in stored.values() for item in items), reverse=True)
    assert [item["moment"] for item in newest] == expected[:limit]
    assert len(rounds) <= 2
    assert len(rounds[0]) == days.SHARDS + 1


@given(st.dates(), st.text())
def test_a_request_has_one_of_the_keys_of_its_day(day: date, request_id: str) -> None:
    key = days.key(day.isoformat(), request_id)

    assert key == days.key(day.isoformat(), request_id)
    assert key in days.keys(day.isoformat())[1:]
