"""The calculator of the page on deployment."""

import pytest

from infrastructure.costs import Usage, monthly
from infrastructure.stages import PROD, STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_month_in_which_nobody_comes_costs_what_stands(stage: str) -> None:
    costs = monthly(STAGES[stage], Usage())

    used = ("API Gateway", "Lambda", "access log", "logs", "Aurora storage and I/O", "image bucket")
    assert all(costs[name] == 0 for name in used)
    assert sum(costs.values()) > 100


def test_twice_the_use_costs_twice_as_much_more() -> None:
    idle, once, twice = (sum(monthly(PROD, Usage(n, n)).values()) for n in (0, 1_000_000, 2_000_000))

    assert twice - idle == pytest.approx(2 * (once - idle))


def test_larger_images_cost_room_and_nothing_else() -> None:
    small, large = (monthly(PROD, Usage(1000, 1000, image_megabytes=size)) for size in (1, 35))

    assert [name for name in small if small[name] != large[name]] == ["image bucket"]
