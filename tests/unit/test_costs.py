"""The calculator of the page on deployment."""

from dataclasses import replace

import pytest

from infrastructure.costs import SIZES, Usage, monthly
from infrastructure.costs.__main__ import main
from infrastructure.costs.bill import FREE_USERS
from infrastructure.costs.prices import PRICES, dollars
from infrastructure.stages import DEV, PROD, STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_month_in_which_nobody_comes_costs_what_stands(stage: str) -> None:
    idle, used = (monthly(STAGES[stage], usage) for usage in (Usage(), Usage(images=1000, requests=1000)))

    assert {name for name, cost in idle.items() if cost == 0} >= {name for name in idle if used[name] > idle[name]}
    assert sum(idle.values()) > 100


def test_twice_the_use_costs_twice_as_much_more() -> None:
    idle, once, twice = (sum(monthly(PROD, Usage(n, requests=n)).values()) for n in (0, 1_000_000, 2_000_000))

    assert twice - idle == pytest.approx(2 * (once - idle))


def test_larger_images_cost_room_and_nothing_else() -> None:
    small, large = (monthly(PROD, Usage(1000, requests=1000, image_megabytes=size)) for size in (1, 35))

    assert [name for name in small if small[name] != large[name]] == ["image bucket", "old versions of images"]


def test_images_that_are_kept_cost_room_and_no_work() -> None:
    new, kept = monthly(PROD, Usage(images=1000)), monthly(PROD, Usage(kept_images=1000))

    assert new["image bucket"] == kept["image bucket"] > 0
    assert new["storage events and inspections"] > kept["storage events and inspections"] == 0


def test_what_a_stage_does_not_have_costs_nothing() -> None:
    costs = monthly(DEV, Usage(requests=1_000_000))

    assert {costs[name] for name in ("firewall", "firewall, by request", "snapshots of versions")} == {0}
    assert costs["starts from a snapshot"] == 0


def test_each_version_that_is_kept_has_a_snapshot_that_is_paid() -> None:
    one, ten = (monthly(PROD, Usage(versions=count))["snapshots of versions"] for count in (1, 10))

    assert ten == pytest.approx(10 * one)
    assert monthly(PROD, Usage())["snapshots of versions"] == ten


def test_users_are_paid_above_those_who_are_free() -> None:
    free, paid = (monthly(PROD, Usage(users=count))["Cognito"] for count in (FREE_USERS, FREE_USERS + 100))

    assert free == 0
    assert paid == pytest.approx(100 * dollars("user"))


def test_a_larger_size_of_use_costs_more() -> None:
    totals = [sum(monthly(PROD, usage).values()) for usage in SIZES.values()]

    assert totals == sorted(totals)
    assert totals[0] < 1000 < totals[-1]


def test_every_price_has_its_page_and_is_used() -> None:
    every = Usage(1, 2, 3, users=2 * FREE_USERS, machine_tokens=1, download_gigabytes=1, active_routes=1)
    without = monthly(PROD, every)

    assert [name for name, price in PRICES.items() if not price.page.startswith("https://aws.amazon.com/")] == []
    for name, price in PRICES.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(PRICES, name, price._replace(dollars=2 * price.dollars))
            assert monthly(PROD, every) != without, name


def test_the_command_takes_a_size_of_use_and_changes_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def total(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["costs", "--stage", "prod", *arguments])
        assert main() == 0
        return capsys.readouterr().out.splitlines()[-1].split()[-1]

    hospital = SIZES["hospital"]
    assert total("--size", "hospital") == f"{sum(monthly(PROD, hospital).values()):,.2f}"
    without = sum(monthly(PROD, replace(hospital, download_gigabytes=0)).values())
    assert total("--size", "hospital", "--download-gigabytes", "0") == f"{without:,.2f}"
