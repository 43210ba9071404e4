"""States and actions as one table: documentation and tests read it, nothing is decided here.

The database decides; this table says what it may decide. A job is always exactly one of these
states, and an action moves it only along a line below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from awa._core.entries import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One line: this action takes a job from `before` (None: it did not exist) to `after`."""

    action: str
    before: JobState | None
    after: JobState
    because: str


LIVE: Final = frozenset(
    {
        JobState.AVAILABLE,
        JobState.RUNNING,
        JobState.WAITING_EXTERNAL,
        JobState.SCHEDULED,
        JobState.RETRYABLE,
    }
)
FINAL: Final = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})

MOVES: Final = (
    Move(
        action="enqueue",
        before=None,
        after=JobState.AVAILABLE,
        because="a producer stores a job in a transaction of its own",
    ),
    Move(
        action="enqueue_many",
        before=None,
        after=JobState.AVAILABLE,
        because="the same for many jobs at once",
    ),
    Move(
        action="claim",
        before=JobState.AVAILABLE,
        after=JobState.RUNNING,
        because="a worker takes the entry; an attempt begins",
    ),
    Move(
        action="complete",
        before=JobState.RUNNING,
        after=JobState.COMPLETED,
        because="the handler returned",
    ),
    Move(
        action="release",
        before=JobState.RUNNING,
        after=JobState.AVAILABLE,
        because="the worker gives the attempt back unused; it does not count",
    ),
    Move(
        action="heartbeat",
        before=JobState.RUNNING,
        after=JobState.AVAILABLE,
        because="the worker does not know of the claim: its reply was lost; counts as a loss",
    ),
)
"""Every way a job changes its state."""

STANDING: Final = ("ensure_lane", "worker_start", "worker_stop")
"""Actions that move no job."""

assert set(JobState) == LIVE | FINAL
assert not LIVE & FINAL
# Final is final: no line leads out of a final state.
assert not any(move.before in FINAL for move in MOVES)
