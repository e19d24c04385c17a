"""The faults and what came of them, to be read."""

import statistics
from collections import defaultdict
from collections.abc import Iterator

from tests.faults.timeline import CALM, WRONG, Outcome, Timeline

SHOWN: tuple[Outcome, ...] = ("acknowledged", "unanswered", "given up", *WRONG, "undelivered", "log only")
_FIRST = 40


def lines(timeline: Timeline) -> Iterator[str]:
    recoveries = defaultdict(list)
    for recovery in timeline.recoveries:
        recoveries[recovery.fault].append(recovery.seconds)
    heads = [*SHOWN, "recovery s", "worst"]
    yield f"{'fault':{_FIRST}} times " + " ".join(f"{head:>{_width(head)}}" for head in heads)
    for fault in (CALM, *sorted(recoveries)):
        taken = recoveries.get(fault, [])
        times = [f"{statistics.median(taken):.2f}", f"{max(taken):.2f}"] if taken else ["", ""]
        yield _line(fault, len(taken), [timeline.outcomes[fault, outcome] for outcome in SHOWN], times)
    everything = [recovery.seconds for recovery in timeline.recoveries]
    times = [f"{statistics.median(everything):.2f}", f"{max(everything):.2f}"] if everything else ["", ""]
    yield _line("all", len(everything), [timeline.total(outcome) for outcome in SHOWN], times)
    yield from (f"{fault:{_FIRST}} this machine does not allow it" for fault in timeline.left_out)
    yield from ("", f"{timeline.healed} images learned of their file by the reconciliation, their event being lost.")
    yield f"{timeline.strays} objects are in the bucket of which no row tells: shots that ended half-way, unanswered."
    yield "undelivered: DynamoDB did not take the record, and the log line says so."
    yield "log only: the emulator, killed, lost the record from its memory; the structured log has it."


def _line(fault: str, times: int, counts: list[int], recovery: list[str]) -> str:
    heads = [*SHOWN, "recovery s", "worst"]
    cells = [f"{cell:>{_width(head)}}" for head, cell in zip(heads, [*counts, *recovery], strict=True)]
    return f"{fault:{_FIRST}} {times:5} " + " ".join(cells)


def _width(head: str) -> int:
    return max(len(head), 6)
