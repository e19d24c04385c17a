"""The command line: `python -m infrastructure.costs --stage prod --images 1000000 --requests 1000000`."""

import argparse
import dataclasses
import sys

from infrastructure.costs import SIZES, Usage, monthly, prices
from infrastructure.stages import STAGES


def main() -> int:
    options = _options()
    stage = STAGES[options.stage]
    usage = SIZES[options.size] if options.size else Usage()
    given = {one.name: getattr(options, one.name) for one in dataclasses.fields(Usage)}
    usage = dataclasses.replace(usage, **{name: value for name, value in given.items() if value is not None})
    costs = monthly(stage, usage)
    print(f"{stage.name}, a month, US dollars, list prices of eu-central-1 looked up on {prices.LOOKED_UP}")
    for name, cost in [*costs.items(), ("all", sum(costs.values()))]:
        print(f"{name:36}{cost:12,.2f}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infrastructure.costs", description=__doc__)
    parser.add_argument("--stage", choices=sorted(STAGES), default="dev")
    parser.add_argument("--size", choices=list(SIZES), help="of use; the options below change it")
    fractions = ("image_megabytes", "request_seconds", "database_units", "download_gigabytes")
    for one in dataclasses.fields(Usage):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=float if one.name in fractions else int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
