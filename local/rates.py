"""Limits how many requests one caller may make within a sliding window of time.

It plays the firewall's rate-based rule of the deployment, which counts by the Authorization header over the same time.
"""

import time
from collections import deque
from dataclasses import dataclass, field

_SLOTS = 300
"""Requests are counted in slots of a 300th of the window, so that a caller costs 300 numbers at most."""


@dataclass
class _Window:
    slots: deque[tuple[float, int]] = field(default_factory=deque)
    """When each slot ends, and how many requests it has; the oldest first."""
    total: int = 0


class Rates:
    def __init__(self, requests: int, seconds: int) -> None:
        self._most = requests
        self._seconds = seconds
        self._width = seconds / _SLOTS
        self._windows: dict[str, _Window] = {}

    def wait(self, caller: str, now: float | None = None) -> float:
        """Returns 0 and counts the request, or returns the seconds until the next request of this caller may come."""
        now = time.monotonic() if now is None else now
        window = self._windows.setdefault(caller, _Window())
        while window.slots and window.slots[0][0] + self._seconds <= now:
            window.total -= window.slots.popleft()[1]
        if window.total >= self._most:
            return window.slots[0][0] + self._seconds - now
        self._count(window, now)
        return 0

    def _count(self, window: _Window, now: float) -> None:
        window.total += 1
        if window.slots and now < window.slots[-1][0]:
            end, requests = window.slots.pop()
            window.slots.append((end, requests + 1))
        else:
            window.slots.append((now + self._width, 1))
