"""Which fault was under way when, and what was found in its time."""

import threading
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

CALM = "(no fault)"

Outcome = Literal[
    "acknowledged",  # a write
    "unanswered",  # a try
    "given up",  # a write that was never answered
    "lost",
    "doubled",
    "half-done",
    "unrecorded",  # an access that was answered
    "misrecorded",  # an access whose record says something else
    "undelivered",  # an access that is in the log only, and says so
    "log only",  # an access that is in the log, and was in the memory of the emulator
    "errors",
]
WRONG: tuple[Outcome, ...] = ("lost", "doubled", "half-done", "unrecorded", "misrecorded", "errors")


@dataclass(frozen=True)
class Finding:
    outcome: Outcome
    fault: str
    what: str


@dataclass(frozen=True)
class Recovery:
    fault: str
    seconds: float
    """From the fault's end until the service answered normally."""
    in_vain: list[str]
    """What stopped each try before."""


@dataclass
class Timeline:
    """A fault's time ends when the next one's begins: what it broke may show later."""

    recoveries: list[Recovery] = field(default_factory=list)
    without_records: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the access-log table may have taken no records: each such fault, with its recovery."""
    forgotten: list[tuple[float, float]] = field(default_factory=list)
    """Each time the emulator was killed: from when its access-log table was read until it was dead. What came between
    is gone with its memory."""
    left_out: list[str] = field(default_factory=list)
    """Faults that this machine does not allow."""
    healed: int = 0
    """Images that learned of their file by the reconciliation, their event being lost."""
    strays: int = 0
    """Objects in the bucket that no row knows, as a one-shot upload leaves that ended between the two."""
    recorded: set[str] = field(default_factory=set)
    """Request ids that were in the access-log table before the emulator was killed, which forgets it."""
    findings: list[Finding] = field(default_factory=list)
    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    _starts: list[float] = field(default_factory=lambda: [0.0])
    _names: list[str] = field(default_factory=lambda: [CALM])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, fault: str) -> None:
        with self._lock:
            self._starts.append(time.monotonic())
            self._names.append(fault)

    def fault_at(self, moment: float) -> str:
        with self._lock:
            return self._names[bisect_right(self._starts, moment) - 1]

    def keeps_records_out(self, sent: float, answered: float) -> bool:
        return any(sent <= end and answered >= begin for begin, end in self.without_records)

    def note(self, outcome: Outcome, at: float, what: str = "") -> None:
        """Anything wrong needs to be said in words."""
        fault = self.fault_at(at)
        with self._lock:
            self.outcomes[fault, outcome] += 1
            if outcome in WRONG:
                self.findings.append(Finding(outcome, fault, what))

    def total(self, outcome: Outcome) -> int:
        return sum(count for (_, each), count in self.outcomes.items() if each == outcome)
