"""What a worker does, as values: told to whoever watches it (see `watched`), and to nobody else.

An attempt is named as the worker names it to the database: token and part of its claims row, and
its number. `worker` is the number of one incarnation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Receipt: TypeAlias = tuple[int, int, int]
"""Token, part and number: one attempt."""


class TakenJob(NamedTuple):
    """An attempt that a claim's reply spoke of. Without a body its job and run are 0."""

    part: int
    seq: int
    job: int
    run: int
    queue: str


class Answered(NamedTuple):
    """What the database said of one attempt of a settle."""

    token: int
    part: int
    seq: int
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent:
    """One thing that one incarnation of a worker did, or heard."""

    worker: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Began(WorkerEvent):
    """It lives. `permits`: handlers that may run at once, by queue; `total`: if they share them.

    `claimers`: sessions that claim, each with one call unanswered.
    """

    permits: tuple[tuple[str, int], ...]
    total: int | None = None
    claimers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted(WorkerEvent):
    """Another number of handlers of one queue may run from now on."""

    queue: str
    permits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSent(WorkerEvent):
    """A claim call leaves, with how many jobs it asks for in all."""

    call: int
    token: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAnswered(WorkerEvent):
    """Its reply is known."""

    token: int
    taken: tuple[TakenJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(WorkerEvent):
    """A handler's turn came."""

    attempt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(WorkerEvent):
    """An attempt has its outcome, which waits to be settled. `how`: the action that settles it."""

    attempt: Receipt
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(WorkerEvent):
    """Somebody else ended the attempt: its handler is cancelled, or not started."""

    attempt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo(WorkerEvent):
    """Such an attempt runs here no more, or it completed its job itself: nothing is settled."""

    attempt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSent(WorkerEvent):
    """A handler's own transaction completes its job, and is about to commit."""

    attempt: Receipt
    settle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAnswered(WorkerEvent):
    """It is known whether it committed (`done`); if not, it never will."""

    attempt: Receipt
    settle: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushSent(WorkerEvent):
    """A settle leaves."""

    settle: int
    how: str
    attempts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushAnswered(WorkerEvent):
    """Its reply is known."""

    settle: int
    answers: tuple[Answered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushRefused(WorkerEvent):
    """The database cannot store it: its outcomes are sent in smaller batches, or milder."""

    settle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Softened(WorkerEvent):
    """What was refused of one attempt is replaced by something that can be said."""

    attempt: Receipt
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forsaken(WorkerEvent):
    """Nothing can be said of the attempt; no beat names it any more."""

    attempt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatSent(WorkerEvent):
    """A beat leaves: claim calls `named`, of those up to `upto`, are known here."""

    beat: int
    upto: int
    named: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deafened(WorkerEvent):
    """The listener's connection is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hears(WorkerEvent):
    """The listener is there (again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(WorkerEvent):
    """The worker learns that its row is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(WorkerEvent):
    """It makes no new claim call any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(WorkerEvent):
    """It starts no handler any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlersCut(WorkerEvent):
    """What still runs is cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(WorkerEvent):
    """It is done. `dropped`: outcomes that could not be settled in time."""

    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed(WorkerEvent):
    """It was ended from outside, with whatever it held."""


Tell: TypeAlias = Callable[[WorkerEvent], None]
"""Who is told. Called in the worker's own tasks: it must neither block nor fail."""
