"""States and actions as one table: documentation and tests read it, nothing is decided here.

The database decides; this table says what it may decide. A job is always in exactly one of these
places, and an action moves it only along a line below.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from awa._core.entries import JobState


class Beyond(StrEnum):
    """Where a job is that is no longer among the jobs."""

    DEAD_LETTERED = "dead_lettered"
    """It failed, and waits in a table of its own for an operator."""
    FORGOTTEN = "forgotten"
    """Its last row is gone."""


Where: TypeAlias = JobState | Beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One line: this action takes a job from `before` (None: it did not exist) to `after`."""

    action: str
    before: Where | None
    after: Where
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
PENDING: Final = (JobState.AVAILABLE, JobState.SCHEDULED, JobState.RETRYABLE)
"""Waiting to be claimed, now or later: what an operator may take back."""

_RETRY_ENDS: Final = "its attempts are used up"
_DEAD: Final = "the same, where the queue wants its failed jobs as dead letters"
_LOST: Final = "its attempt was lost, for the first time"
_LOST_AGAIN: Final = "lost more than once: after a growing delay"
_LOST_ENDS: Final = "lost too often: reason crash_loop"
_REPLACED: Final = "a newer job with its unique key takes its place"


def _moves(action: str, before: Where | None, *lines: tuple[Where, str]) -> tuple[Move, ...]:
    return tuple(
        Move(action=action, before=before, after=after, because=because) for after, because in lines
    )


def _lost(action: str) -> tuple[Move, ...]:
    return _moves(
        action,
        JobState.RUNNING,
        (JobState.AVAILABLE, _LOST),
        (JobState.RETRYABLE, _LOST_AGAIN),
        (JobState.FAILED, _LOST_ENDS),
        (Beyond.DEAD_LETTERED, _DEAD),
    )


def _from_each(
    action: str, befores: tuple[Where, ...], after: Where, because: str
) -> tuple[Move, ...]:
    return tuple(
        Move(action=action, before=before, after=after, because=because) for before in befores
    )


MOVES: Final = (
    *_moves(
        "enqueue",
        None,
        (JobState.AVAILABLE, "a producer stores a job"),
        (JobState.SCHEDULED, "the same for a time to come"),
    ),
    *_from_each("enqueue", PENDING, JobState.CANCELLED, _REPLACED),
    *_moves(
        "enqueue_many",
        None,
        (JobState.AVAILABLE, "a producer stores many jobs at once"),
        (JobState.SCHEDULED, "the same for a time to come"),
    ),
    *_from_each("enqueue_many", PENDING, JobState.CANCELLED, _REPLACED),
    *_from_each(
        "promote",
        (JobState.SCHEDULED, JobState.RETRYABLE),
        JobState.AVAILABLE,
        "its time has come, or an operator wants it now",
    ),
    *_moves(
        "claim",
        JobState.AVAILABLE,
        (JobState.RUNNING, "a worker takes the entry; an attempt begins"),
    ),
    *_moves("complete", JobState.RUNNING, (JobState.COMPLETED, "the handler returned")),
    *_moves(
        "release",
        JobState.RUNNING,
        (JobState.AVAILABLE, "the worker gives the attempt back unused; it does not count"),
    ),
    *_moves(
        "retry",
        JobState.RUNNING,
        (JobState.RETRYABLE, "the handler raised; the next attempt is after a delay"),
        (JobState.FAILED, _RETRY_ENDS),
        (Beyond.DEAD_LETTERED, _DEAD),
    ),
    *_moves(
        "snooze",
        JobState.RUNNING,
        (JobState.SCHEDULED, "the handler wants it later; the attempt does not count"),
    ),
    *_moves(
        "fail",
        JobState.RUNNING,
        (JobState.FAILED, "the handler says that no attempt can succeed"),
        (Beyond.DEAD_LETTERED, _DEAD),
    ),
    *_moves(
        "cancel_running",
        JobState.RUNNING,
        (JobState.CANCELLED, "its handler or an operator says so"),
    ),
    *_lost("heartbeat"),
    *_lost("rescue_worker"),
    *_moves(
        "rescue_deadline",
        JobState.RUNNING,
        (JobState.RETRYABLE, "the attempt is past its deadline, and counts"),
        (JobState.FAILED, _RETRY_ENDS),
        (Beyond.DEAD_LETTERED, _DEAD),
    ),
    *_from_each("cancel_pending", PENDING, JobState.CANCELLED, "an operator takes it back"),
    *_from_each(
        "dlq_move",
        (JobState.FAILED, JobState.CANCELLED),
        Beyond.DEAD_LETTERED,
        "an operator puts it with the dead letters",
    ),
    *_moves(
        "dlq_retry",
        Beyond.DEAD_LETTERED,
        (JobState.AVAILABLE, "an operator gives it a new life, with all its attempts"),
        (JobState.SCHEDULED, "the same after a delay"),
    ),
    *_moves("dlq_purge", Beyond.DEAD_LETTERED, (Beyond.FORGOTTEN, "an operator deletes it")),
    *_from_each(
        "retire",
        (JobState.FAILED, JobState.CANCELLED, Beyond.DEAD_LETTERED),
        Beyond.FORGOTTEN,
        "its retention is over",
    ),
    *_moves(
        "prune",
        JobState.COMPLETED,
        (Beyond.FORGOTTEN, "the slot it lies in is emptied"),
    ),
)
"""Every way a job changes its place."""

STANDING: Final = (
    *("ensure_lane", "worker_start", "worker_stop", "note_progress", "rotate", "evacuate"),
)
"""Actions that move no job."""

AFTERLIFE: Final = frozenset({"dlq_move", "retire", "prune"})
"""The only actions that touch a final job; none of them runs it again."""

assert set(JobState) == LIVE | FINAL
assert not LIVE & FINAL
# Final is final: a job leaves a final state only to leave the jobs. A new life is `dlq_retry`.
assert all(
    move.action in AFTERLIFE and isinstance(move.after, Beyond)
    for move in MOVES
    if move.before in FINAL
)
