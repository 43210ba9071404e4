"""Counts of what a worker did, for its health report and its last log line."""

from dataclasses import dataclass

from awa._runtime.outbox import Action


@dataclass(slots=True)
class Statistics:
    """Since the worker started. `late`: attempts that somebody else had ended before."""

    claimed: int = 0
    completed: int = 0
    released: int = 0
    failures: int = 0
    late_outcomes: int = 0
    beats: int = 0

    def settled(self, action: Action, jobs: int) -> None:
        """So many outcomes became durable."""
        if action is Action.COMPLETE:
            self.completed += jobs
        else:
            self.released += jobs

    def late(self, jobs: int) -> None:
        """So many outcomes came too late."""
        self.late_outcomes += jobs
