"""What a worker says of itself when it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from awa._runtime.statistics import Statistics

if TYPE_CHECKING:
    from awa._runtime.incarnation import Incarnation


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """One queue of a worker: handlers allowed and running; jobs claimed and not started."""

    max_workers: int
    running: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """One worker. Counts are since its start; `beat_age_s` is since the last answered beat."""

    state: str
    """starting, running or stopping."""
    listening: bool
    """False: the worker polls, because it cannot be woken just now."""
    beat_age_s: float
    queues: Mapping[str, QueueHealth]
    paused: int
    """Jobs that wait in memory after a failure."""
    unsettled: int
    """Outcomes that are not durable yet, paused jobs included."""
    unknown_kinds: tuple[str, ...]
    """Kinds that were claimed here and have no handler: no capable worker."""
    claimed: int
    completed: int
    released: int
    failures: int
    late: int

    @classmethod
    def of(
        cls, life: "Incarnation | None", counts: Statistics, *, stopping: bool
    ) -> "WorkerHealth":
        """The health of a worker in this life; None between two lives and before the first."""
        return cls(
            state="stopping" if stopping else "starting" if life is None else "running",
            listening=life is not None and life.listener.is_up,
            beat_age_s=0.0 if life is None else trio.current_time() - life.heart.beat_s,
            queues={} if life is None else _queues(life),
            paused=0 if life is None else len(life.settler.pauses),
            unsettled=0 if life is None else life.settler.unsettled(),
            unknown_kinds=() if life is None else tuple(sorted(life.reporter.unknown_kinds)),
            claimed=counts.claimed,
            completed=counts.completed,
            released=counts.released,
            failures=counts.failures,
            late=counts.late_outcomes,
        )


def _queues(life: "Incarnation") -> dict[str, QueueHealth]:
    return {
        name: QueueHealth(
            max_workers=queue.permits.workers,
            running=len(queue.running),
            waiting=len(queue.waiting),
        )
        for name, queue in life.queues.items()
    }
