"""Which attempt a runner runs just now, and what others did to it meanwhile."""

from enum import Enum
from typing import TYPE_CHECKING, Any

import trio

from awa._core.entries import Body, EndedElsewhere
from awa._runtime.ledger import Held

if TYPE_CHECKING:
    from awa.handler import Job


class Fate(Enum):
    """What becomes of an attempt whatever its handler says."""

    ENDED = "somebody else ended it"
    LEFT = "its outcome was settled while its handler ran on"


class Turn:
    """What one runner runs: one attempt at a time, in a cancel scope.

    A scope costs more than a short job, so jobs that share a deadline share one.
    """

    __slots__ = ("body", "fate", "held", "job", "scope", "task", "told_s", "why")

    scope: trio.CancelScope
    held: Held

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        """The runner's task."""
        self.body: Body | None = None
        """None between two attempts: nothing is left to be said of the one before."""
        self.job: Job[Any] | None = None
        self.fate: Fate | None = None
        self.why = ""
        self.told_s = float("inf")
        """When the attempt was ended by somebody else, by trio's clock."""

    def begin(self, held: Held, body: Body, deadline_s: float) -> trio.CancelScope:
        """The first attempt in a new scope, which is returned."""
        self.scope = trio.CancelScope(deadline=deadline_s)
        self.held = held
        self.body = body
        if self.fate is not None:
            self.fate = None
            self.told_s = float("inf")
        return self.scope

    def runs_one_of(self, ended: EndedElsewhere) -> bool:
        """Whether the attempt that runs is among these."""
        if self.body is None or self.fate is not None:
            return False
        return is_one_of(self.held, self.body, ended)

    def end(self, why: str) -> None:
        """Cancel the attempt: somebody else has ended it."""
        self.fate = Fate.ENDED
        self.why = why
        self.told_s = trio.current_time()
        self.tell()
        self.scope.cancel()

    def tell(self) -> None:
        """Raise the handler's flag."""
        if self.body is not None and self.job is not None:
            self.job._cancelled = True  # noqa: SLF001  # the runner's side of the handler's view

    def over_s(self) -> float:
        """Since when the attempt should end, or when it will have to, by trio's clock."""
        if self.body is None or self.fate is Fate.LEFT:
            return float("inf")
        return min(self.scope.deadline, self.told_s)


def is_one_of(held: Held, body: Body, ended: EndedElsewhere) -> bool:
    """Whether an attempt is among those that somebody else ended."""
    return (held.token, held.part) == (ended.token, ended.part) and body.seq in ended.seqs
