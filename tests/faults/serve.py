"""`make serve`, with what only faults need: a proxy before DynamoDB, and clocks that can be set.

    python -m tests.faults.serve DYNAMODB_URL CLOCKS serve --port … --state …

CLOCKS is a directory with `libfaketime.so.1` and the files `service` and `database`, each the offset of a clock; `-`
leaves the clocks alone.
"""

import os
import sys
from pathlib import Path
from typing import Any

from local import __main__, environment
from local.postgres_home import Home

_of_service = environment.of_service
_process_options = Home.process_options


def main() -> int:
    dynamodb, clocks, *sys.argv[1:] = sys.argv[1:]
    environment.of_service = lambda stack: _of_service(stack) | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}
    if clocks != "-":
        os.environ |= clock(Path(clocks), "service")
        _set_clock_of_postgres(clock(Path(clocks), "database"))
    return __main__.main()


def clock(directory: Path, name: str) -> dict[str, str]:
    """The environment of a process that goes by it."""
    return {
        "LD_PRELOAD": str(directory / "libfaketime.so.1"),
        "FAKETIME_TIMESTAMP_FILE": str(directory / name),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else timed waits on conditions end at once, and threads that wait for Python's lock do nothing but ask for it.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


def _set_clock_of_postgres(settings: dict[str, str]) -> None:
    """Which is started with an environment of its own."""

    def process_options(home: Home) -> dict[str, Any]:
        options = _process_options(home)
        return options | {"env": options["env"] | settings}

    Home.process_options = process_options  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    sys.exit(main())
