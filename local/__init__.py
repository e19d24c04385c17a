"""The whole service on one machine: PostgreSQL, the AWS emulator, the gateway and its workers, events and schedules."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where app.py lies."""


class Trouble(Exception):
    """What the person at the terminal has to know, in a sentence; the command ends with exit code 1."""
