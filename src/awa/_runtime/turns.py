"""Which attempt a runner runs just now, and what others did to it meanwhile."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Body, EndedElsewhere
from awa._runtime.ledger import Held
from awa.batch import JobBatch

if TYPE_CHECKING:
    from awa._core.transacting import Desk, OwnCompletion
    from awa.handler import Job


Item: TypeAlias = tuple[Held, Body]
"""A job in a worker's hands: its claims row, and what the database said of it."""

Part: TypeAlias = tuple[Held, Bodies]
"""Such jobs of one claims row."""


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

    @property
    def subject(self) -> object:
        """What the handler is called with."""
        return self.job

    @property
    def size(self) -> int:
        """How many jobs it runs, as a batch has more than one."""
        return 1

    @property
    def own(self) -> "OwnCompletion | None":
        """What became of the handler's own transaction, if there was one."""
        return None if self.job is None else self.job._own  # noqa: SLF001  # the runner's side of it

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


class BatchTurn:
    """Many jobs that one call of a handler runs, in a cancel scope of their own."""

    __slots__ = (
        "began_s",
        "ended",
        "fate",
        "is_settled",
        "jobs",
        "own_ends",
        "parts",
        "scope",
        "size",
        "task",
        "told_s",
    )

    def __init__(self, parts: list[Part], deadline_s: float) -> None:
        self.parts = parts
        self.size = sum(len(bodies) for _, bodies in parts)
        """How many permits it holds, whatever becomes of its jobs meanwhile."""
        self.jobs: JobBatch[Any] | None = None
        """Of the items, in their order; None before the handler's call."""
        self.scope = trio.CancelScope(deadline=deadline_s)
        self.ended: dict[int, str] = {}
        """Items, by their place, that somebody else ended, and as what."""
        self.own_ends: set[int] = set()
        """Items, by their place, that ended in a transaction of the handler's own."""
        self.is_settled = False
        """Whether everything was said of the items that nobody else ended."""
        self.fate: Fate | None = None
        self.told_s = float("inf")
        """When the last of them was ended by somebody else, by trio's clock."""
        self.began_s = trio.current_time()
        self.task: trio.lowlevel.Task | None = None

    @property
    def items(self) -> list[Item]:
        """Its jobs. Not kept: a tuple for each costs as much as a good part of the rest."""
        return [(held, body) for held, bodies in self.parts for body in bodies]

    @property
    def job(self) -> "Job[Any] | None":
        """One of the jobs, to name the batch by."""
        return None if self.jobs is None else self.jobs[0]

    @property
    def subject(self) -> object:
        """What the handler is called with."""
        return self.jobs

    def open(self) -> Iterator[Item]:
        """The items that neither somebody else ended nor a transaction of the handler's own."""
        gone = self.ended.keys() | self.own_ends
        return (item for place, item in enumerate(self.items) if place not in gone)

    def drop(self, places: Collection[int]) -> None:
        """Forget these items: all is said of them. Only before the handler's call."""
        assert self.jobs is None
        kept: list[Part] = []
        first = 0
        for held, bodies in self.parts:
            left = bodies.without({place - first for place in places})
            first += len(bodies)
            if left:
                kept.append((held, left))
        self.parts = kept

    def made(self, args: list[Any], desk: "Desk", *, has_scope: bool) -> None:
        """The handler may be called with these arguments."""
        helds = [*chain.from_iterable(repeat(held, len(bodies)) for held, bodies in self.parts)]
        # Mostly they come of one claims row, whose bodies are made when they are looked at.
        companies = [bodies for _, bodies in self.parts]
        bodies = companies[0] if len(companies) == 1 else [*chain.from_iterable(companies)]
        self.jobs = JobBatch(helds, bodies, args, self.scope if has_scope else None, desk)

    def take_ended(self) -> list[tuple[Item, str]]:
        """The items that somebody else ended, each answered once."""
        ended, self.ended = self.ended, {}
        items = self.items if ended else []
        return [(items[place], why) for place, why in ended.items()]

    def untold(self) -> Iterator[Item]:
        """The items of which somebody else may still say that they ended."""
        return iter(()) if self.is_over() else self.open()

    def end_those(self, ended: EndedElsewhere) -> None:
        """Mark what somebody else has ended; with none left the handler is cancelled."""
        if self.is_over():
            return
        items = self.items
        for place, item in enumerate(items):
            if place not in self.ended and is_one_of(*item, ended):
                self.ended[place] = ended.outcome
                if self.jobs is not None:
                    self.jobs._mark(place)  # noqa: SLF001  # the runner's side of it
        if len(self.ended) == len(items):
            self.fate = Fate.ENDED
            self.told_s = trio.current_time()
            self.scope.cancel()

    def tell(self) -> None:
        """Raise the flag of every job."""
        if self.jobs is not None:
            self.jobs._tell()  # noqa: SLF001  # the runner's side of the handler's view

    def is_over(self) -> bool:
        """Whether nothing is left to be said of any item."""
        return self.is_settled or self.fate is not None

    def over_s(self) -> float:
        """Since when it should have ended, or when it will have to, by trio's clock."""
        if self.is_settled or self.fate is Fate.LEFT:
            return float("inf")
        return min(self.scope.deadline, self.told_s)


def jobs_of(parts: Iterable[Part]) -> int:
    """How many jobs these are."""
    return sum(len(bodies) for _, bodies in parts)


def taken_of(waiting: deque[Part], most: int) -> list[Part]:
    """Take so many jobs at the most, the first ones."""
    taken: list[Part] = []
    while waiting and most > 0:
        held, bodies = waiting.popleft()
        if len(bodies) > most:
            waiting.appendleft((held, bodies[most:]))
            bodies = bodies[:most]
        taken.append((held, bodies))
        most -= len(bodies)
    return taken
