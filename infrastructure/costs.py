"""What a stage costs a month: `python -m infrastructure.costs --stage prod --images 1000000 --requests 1000000`.

An estimate from list prices. Traffic out of AWS, taxes and free tiers are not in it.
"""

import argparse
import sys
from dataclasses import dataclass

from infrastructure.stages import STAGES, Stage

HOURS = 730
PRICES_OF = "eu-central-1, US dollars, November 2026, not compared with AWS's price list since"


@dataclass(frozen=True)
class Prices:
    aurora_unit_hour: float = 0.14
    aurora_gigabyte: float = 0.119
    aurora_million_io: float = 0.22
    proxy_unit_hour: float = 0.018
    """RDS Proxy before Serverless v2 is paid by capacity unit, for at least eight."""
    bucket_gigabyte: float = 0.0245
    bucket_thousand_puts: float = 0.0054
    bucket_thousand_gets: float = 0.00043
    table_million_writes: float = 0.7625
    table_gigabyte: float = 0.306
    gateway_million: float = 3.70
    endpoint_hour: float = 0.012
    """An interface endpoint in one zone."""
    secret: float = 0.40
    function_million: float = 0.20
    function_gigabyte_second: float = 0.0000166667
    snapshot_gigabyte_second: float = 0.0000015046
    key: float = 1.0
    key_ten_thousand: float = 0.03
    logs_gigabyte: float = 0.63
    alarm: float = 0.10
    dashboard: float = 3.0
    firewall: float = 8.0
    """With its three rules."""
    firewall_million: float = 0.60


@dataclass(frozen=True)
class Usage:
    """Of a month. Means that are guesses: set them to what you see."""

    images: int = 0
    """New ones."""
    requests: int = 0
    image_megabytes: float = 1.0
    request_seconds: float = 0.05
    database_units: float | None = None
    """The mean capacity; None: the least that the stage has."""


PROXY_LEAST_UNITS = 8
ROW_KILOBYTES = 2.5
"""Of an image, with its five tags and all indexes."""
ACCESS_RECORD_WRITES = 5
"""The item and four indexes, of a kilobyte at most each."""
LOG_KILOBYTES = 1.5
"""A request's line in the function's log, and in the gateway's."""
ALARMS = 32
"""As many as there are, or a few more."""
ZONES = 2
FUNCTION_GIGABYTES = 1.0
IO_A_REQUEST = 4
RUNS_BY_THE_CLOCK = HOURS * 60 * 1.2


def monthly(stage: Stage, usage: Usage, prices: Prices = Prices()) -> dict[str, float]:
    return _standing(stage, usage, prices) | _by_use(stage, usage, prices)


def _standing(stage: Stage, usage: Usage, prices: Prices) -> dict[str, float]:
    """What runs, whether anyone comes or not."""
    units = usage.database_units or stage.least_capacity
    instances = 1 + stage.readers
    return {
        "Aurora capacity": units * instances * HOURS * prices.aurora_unit_hour,
        "RDS Proxy": max(PROXY_LEAST_UNITS, units * instances) * HOURS * prices.proxy_unit_hour,
        "key, alarms, dashboard": prices.key + ALARMS * prices.alarm + prices.dashboard,
        "way to the queue": ZONES * HOURS * prices.endpoint_hour,
        "key to the identifiers": prices.secret,
        "firewall": prices.firewall if stage.firewall else 0.0,
        "what runs by the clock": RUNS_BY_THE_CLOCK * 0.1 * FUNCTION_GIGABYTES * prices.function_gigabyte_second,
        "snapshots": (FUNCTION_GIGABYTES * HOURS * 3600 * prices.snapshot_gigabyte_second if stage.snap_start else 0.0),
    }


def _by_use(stage: Stage, usage: Usage, prices: Prices) -> dict[str, float]:
    """An image is kept from then on; its request to be registered is one of the requests."""
    millions, stored = usage.requests / 1e6, usage.images * usage.image_megabytes / 1e3
    seconds = usage.requests * usage.request_seconds * FUNCTION_GIGABYTES
    logged = usage.requests * LOG_KILOBYTES / 1e6
    return {
        "API Gateway": millions * prices.gateway_million,
        "Lambda": millions * prices.function_million + seconds * prices.function_gigabyte_second,
        "firewall, by request": millions * prices.firewall_million if stage.firewall else 0.0,
        "access log": (
            millions * ACCESS_RECORD_WRITES * prices.table_million_writes
            + usage.requests * ACCESS_RECORD_WRITES * 0.7 / 1e6 * prices.table_gigabyte
        ),
        "logs": logged * prices.logs_gigabyte,
        "Aurora storage and I/O": (
            usage.images * ROW_KILOBYTES / 1e6 * prices.aurora_gigabyte
            + millions * IO_A_REQUEST * prices.aurora_million_io
        ),
        "image bucket": (
            stored * prices.bucket_gigabyte
            + usage.images / 1e3 * (prices.bucket_thousand_puts + 2 * prices.bucket_thousand_gets)
            + usage.images / 1e4 / 100 * prices.key_ten_thousand
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=sorted(STAGES), default="dev")
    for name, kind in (("images", int), ("requests", int), ("image-megabytes", float), ("database-units", float)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(Usage, name.replace("-", "_")))
    options = vars(parser.parse_args())
    stage = STAGES[options.pop("stage")]
    costs = monthly(stage, Usage(**options))
    print(f"{stage.name}, a month, in {PRICES_OF}")
    for name, cost in [*costs.items(), ("all", sum(costs.values()))]:
        print(f"{name:28}{cost:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
