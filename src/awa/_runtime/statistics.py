"""Counts of what a worker did, for its health report and its last log line."""

from dataclasses import dataclass, field
from typing import assert_never

from awa._core.entries import Answer
from awa._runtime.outbox import Action
from awa._runtime.unknown import UnknownKinds


@dataclass(slots=True)
class Statistics:
    """Since the worker started, in jobs; all but the first and the last four are durable."""

    claimed: int = 0
    completed: int = 0
    retried: int = 0
    snoozed: int = 0
    cancelled: int = 0
    released: int = 0
    failed: int = 0
    """Ended as failed: for good, or because no attempt was left."""
    dead_lettered: int = 0
    """The same, where the queue keeps its failures as dead letters."""
    failures: int = 0
    """Attempts whose handler failed, whatever became of their jobs."""
    late_outcomes: int = 0
    """Attempts that somebody else had ended before their outcome came."""
    ended_elsewhere: int = 0
    """Attempts that were cancelled here because somebody else had ended them."""
    dropped_events: int = 0
    """Events that hooks were not told, because they were too far behind."""
    beats: int = 0
    unknown: UnknownKinds = field(default_factory=UnknownKinds)
    """Kinds that were claimed and have no handler here."""

    def settled(self, action: Action, answer: Answer, jobs: int) -> None:
        """So many outcomes became durable."""
        if answer is Answer.FAILED:
            self.failed += jobs
            return
        if answer is Answer.DEAD_LETTERED:
            self.dead_lettered += jobs
            return
        match action:
            case Action.COMPLETE:
                self.completed += jobs
            case Action.RETRY:
                self.retried += jobs
            case Action.SNOOZE:
                self.snoozed += jobs
            case Action.FAIL:
                self.failed += jobs
            case Action.CANCEL:
                self.cancelled += jobs
            case Action.RELEASE:
                self.released += jobs
            case unreachable:
                assert_never(unreachable)

    def late(self, jobs: int) -> None:
        """So many outcomes came too late."""
        self.late_outcomes += jobs
