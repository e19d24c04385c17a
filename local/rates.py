"""How many requests one caller may make: a bucket of them for each, which fills up steadily.

Plays the firewall's rule of the deployment, which counts by the Authorization header over the same time.
"""

import time
from dataclasses import dataclass


@dataclass
class _Bucket:
    left: float
    since: float


class Rates:
    def __init__(self, requests: int, seconds: int) -> None:
        self._most = requests
        self._a_second = requests / seconds
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, caller: str, now: float | None = None) -> float:
        """Seconds until a request of this caller may come; 0: this one may, and counts."""
        now = time.monotonic() if now is None else now
        bucket = self._buckets.setdefault(caller, _Bucket(self._most, now))
        bucket.left = min(self._most, bucket.left + (now - bucket.since) * self._a_second)
        bucket.since = now
        if bucket.left < 1:
            return (1 - bucket.left) / self._a_second
        bucket.left -= 1
        return 0
