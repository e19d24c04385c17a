"""The whole service on one machine: PostgreSQL, the AWS emulator, the gateway and its workers, events and schedules."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where app.py lies."""


def own_hosts(port: int) -> tuple[str, ...]:
    """Returns what a client on this machine may name in Host to reach this port."""
    names = ("127.0.0.1", "localhost")
    return tuple(f"{name}:{port}" for name in names) + (names if port == 80 else ())


class Trouble(Exception):
    """What the person at the terminal has to know, in a sentence; the command ends with exit code 1."""
