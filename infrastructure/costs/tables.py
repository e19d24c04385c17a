"""The tables in the page on deployment, made of the same figures: `make docs`."""

import re
import textwrap

from infrastructure.costs.bill import monthly
from infrastructure.costs.prices import LOOKED_UP, PRICES
from infrastructure.costs.usage import SIZES, Usage
from infrastructure.packaging import ROOT
from infrastructure.stages import PROD, STAGES

PAGE = ROOT / "design-docs" / "deployment.md"
_PLACE = re.compile(r"(?<=<!-- costs -->\n).*?(?=<!-- end of costs -->)", re.DOTALL)
_LEAST_SHOWN = 0.5


def inserted(page: str) -> str:
    """Returns the page with the tables between its two comments."""
    tables = f"\n{_of_stages()}\n{_of_sizes()}\n{_of_prices()}\n"
    made, found = _PLACE.subn(lambda _: tables, page, count=1)
    if not found:
        raise ValueError(f"{PAGE.name} has no place for the costs: `<!-- costs -->` and `<!-- end of costs -->`.")
    return made


def lines() -> list[str]:
    """Returns what the bill is made of."""
    return list(monthly(PROD, Usage()))


def _of_stages() -> str:
    rows: dict[str, list[float]] = {
        "idle": [sum(monthly(stage, Usage()).values()) for stage in STAGES.values()],
        **{
            f"… of it {name}": [monthly(stage, Usage())[name] for stage in STAGES.values()]
            for name in ("Aurora capacity", "RDS Proxy", "snapshots of versions")
        },
        "a million requests more": [_more(stage, Usage(requests=1_000_000)) for stage in STAGES],
        "a million new images of 1 MB": [_more(stage, Usage(images=1_000_000)) for stage in STAGES],
        "… each month after that": [_more(stage, Usage(kept_images=1_000_000)) for stage in STAGES],
    }
    return _table("a month, US dollars", list(STAGES), rows)


def _more(stage: str, usage: Usage) -> float:
    idle, used = (sum(monthly(STAGES[stage], each).values()) for each in (Usage(), usage))
    return used - idle


def _of_sizes() -> str:
    costs = [monthly(PROD, usage) for usage in SIZES.values()]
    rows = {name: [cost[name] for cost in costs] for name in costs[0]}
    shown = {name: row for name, row in rows.items() if max(row) >= _LEAST_SHOWN}
    figures: dict[str, list[float]] = {
        "new images": [usage.images for usage in SIZES.values()],
        "images kept": [usage.kept for usage in SIZES.values()],
        "requests": [usage.requests for usage in SIZES.values()],
        "downloads, GB": [usage.download_gigabytes for usage in SIZES.values()],
    }
    total = {"**all, US dollars**": [sum(cost.values()) for cost in costs]}
    return _table("prod, a month", list(SIZES), figures | total | shown)


def _of_prices() -> str:
    unconfirmed = [name.replace("_", " ") for name, price in PRICES.items() if not price.confirmed]
    text = (
        f"The prices were looked up on {LOOKED_UP}. `infrastructure/costs/prices.py` has AWS's page about each."
        f" {len(PRICES) - len(unconfirmed)} of {len(PRICES)} were confirmed for eu-central-1. Not confirmed:"
        f" {', '.join(unconfirmed)}."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def _table(title: str, columns: list[str], rows: dict[str, list[float]]) -> str:
    head = f"| {title} | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}\n"
    return head + "".join(f"| {name} | {' | '.join(f'{cell:,.0f}' for cell in row)} |\n" for name, row in rows.items())
