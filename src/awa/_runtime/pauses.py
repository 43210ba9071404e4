"""Jobs whose handler failed wait here, in memory, before they are released.

A worker that dies meanwhile loses nothing: the entries are still open and named in every beat.
"""

import heapq
import itertools
from collections import OrderedDict
from dataclasses import dataclass, field

from awa._runtime.ledger import Held
from awa._runtime.limits import FAILURE_COUNTS_MAX, FAILURE_PAUSE_MAX_S, FAILURE_PAUSE_MIN_S


def failure_pause_s(failures: int) -> float:
    """Seconds before a job is released after so many failures in a row (1 or more)."""
    assert failures >= 1
    doublings = min(failures - 1, 10)
    return float(min(FAILURE_PAUSE_MIN_S * 2**doublings, FAILURE_PAUSE_MAX_S))


@dataclass(slots=True)
class Pauses:
    """Which jobs wait, until when, and how often each failed in a row."""

    _heap: list[tuple[float, int, Held, int]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    counts: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """Failures in a row by job id; what it does not know has none."""

    def __len__(self) -> int:
        return len(self._heap)

    def failed(self, job_id: int, held: Held, seq: int, *, now_s: float) -> float:
        """Let this entry wait; answers the pause in seconds."""
        failures = self.counts.pop(job_id, 0) + 1
        self.counts[job_id] = failures
        while len(self.counts) > FAILURE_COUNTS_MAX:
            self.counts.popitem(last=False)
        pause_s = failure_pause_s(failures)
        heapq.heappush(self._heap, (now_s + pause_s, next(self._order), held, seq))
        return pause_s

    def succeeded(self, job_id: int) -> None:
        """The job's failures in a row are over."""
        self.counts.pop(job_id, None)

    def due_s(self) -> float | None:
        """When the next pause ends, by the caller's clock; None when nobody waits."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, *, now_s: float) -> list[tuple[Held, int]]:
        """The entries whose pause is over; they leave."""
        due = []
        while self._heap and self._heap[0][0] <= now_s:
            _, _, held, seq = heapq.heappop(self._heap)
            due.append((held, seq))
        return due
