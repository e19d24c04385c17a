"""How the local gateway counts the requests of each caller."""

import pytest

from local.rates import Rates


def test_a_caller_may_make_so_many_at_once_and_then_waits_for_the_next() -> None:
    rates = Rates(3, 30)

    assert [rates.wait("ann", 0) for _ in range(5)] == [0, 0, 0, 10, 10]


def test_who_waited_long_enough_goes_on_at_the_steady_rate() -> None:
    rates = Rates(3, 30)
    for _ in range(3):
        rates.wait("ann", 0)

    assert rates.wait("ann", 9) == pytest.approx(1)
    assert rates.wait("ann", 10) == 0
    assert rates.wait("ann", 10) == 10


def test_no_more_than_so_many_are_saved_up() -> None:
    rates = Rates(3, 30)
    rates.wait("ann", 0)

    assert [rates.wait("ann", 10_000) for _ in range(4)] == [0, 0, 0, 10]


def test_callers_do_not_use_up_what_is_others() -> None:
    rates = Rates(1, 30)
    rates.wait("ann", 0)

    assert rates.wait("ann", 0) > 0
    assert rates.wait("ben", 0) == 0
