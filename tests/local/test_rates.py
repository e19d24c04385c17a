"""How the local gateway counts the requests of each caller."""

import pytest

from local.rates import Rates


def test_a_caller_over_the_limit_waits_until_the_oldest_requests_leave_the_window() -> None:
    rates = Rates(3, 30)

    waits = [rates.wait("ann", 0) for _ in range(5)]

    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == [pytest.approx(30, abs=0.2)] * 2


def test_a_caller_that_waited_as_long_as_it_was_told_is_let_in() -> None:
    rates = Rates(3, 30)
    for now in (0, 10, 20):
        assert rates.wait("ann", now) == 0

    wait = rates.wait("ann", 25)

    assert rates.wait("ann", 25 + wait / 2) > 0
    assert rates.wait("ann", 25 + wait) == 0
    assert rates.wait("ann", 25 + wait) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("pause", [0.01, 0.7, 3, 9.9])
def test_no_window_of_that_length_has_more_requests_than_the_limit(pause: float) -> None:
    """Not the first one either, in which a caller has saved up nothing and owes nothing."""
    rates = Rates(3, 30)

    times = [number * pause for number in range(int(100 / pause))]
    accepted = [now for now in times if rates.wait("ann", now) == 0]

    assert len(accepted) >= 8
    assert max(sum(start <= now < start + 30 for now in accepted) for start in accepted) == 3


def test_callers_do_not_use_up_what_is_others() -> None:
    rates = Rates(1, 30)
    rates.wait("ann", 0)

    assert rates.wait("ann", 0) > 0
    assert rates.wait("ben", 0) == 0
