"""The values that pass between the database and the runtime; all frozen.

Words as in the glossary: an entry is one attempt at one job, numbered `seq` within its `lane`; a
claim row records a set of entries taken together and is named by (token, part); a settlement is
the database's answer about some of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from awa._core.ranges import Ranges  # noqa: TC001  as above

if TYPE_CHECKING:
    from awa._core.bodies import Bodies


class JobState(StrEnum):
    """Where a job is; the last three are final."""

    AVAILABLE = "available"
    RUNNING = "running"
    WAITING_EXTERNAL = "waiting_external"
    SCHEDULED = "scheduled"
    RETRYABLE = "retryable"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Answer(StrEnum):
    """What the database did with a settle, for some of its entries."""

    SETTLED = "settled"
    """Closed by this call."""
    ALREADY = "already"
    """Closed by an earlier call with the same settle id, whose reply was lost."""
    STALE = "stale"
    """Closed by somebody else first, or never part of the claim: nothing was written."""
    ENDED = "ended"
    """Their segment was emptied long ago, so they had ended before."""
    BUSY = "busy"
    """Somebody settles the same claim right now: ask again."""
    FAILED = "failed"
    """Closed by this call, and the job with it: its attempts were used up."""
    DEAD_LETTERED = "dead_lettered"
    """Closed by this call, and the job is a dead letter now, as its queue wants of failed ones."""


class EnqueueAnswer(StrEnum):
    """What became of a job that was to be stored."""

    INSERTED = "inserted"
    EXISTING = "existing"
    """An older job holds the unique key, and stands for it."""
    REPLACED = "replaced"
    """An older job held the unique key and was cancelled; this one is in its place."""
    SKIPPED = "skipped"
    """An older job holds the unique key; nothing was stored."""


class ActAnswer(StrEnum):
    """What the database did for an operator, with one job."""

    SETTLED = "settled"
    """Done by this call."""
    ALREADY = "already"
    """Done by an earlier call with the same settle id, whose reply was lost."""
    STALE = "stale"
    """The job is not where this act applies; nothing was written."""
    BUSY = "busy"
    """Somebody is at work on it right now: ask again."""
    UNKNOWN = "unknown"
    """There is no such job, or it was forgotten."""
    DUPLICATE = "duplicate"
    """Another job holds its unique key by now; nothing was written."""


class RescueAnswer(StrEnum):
    """Whether `rescue_worker` found the worker as its caller had last seen it."""

    GONE = "gone"
    """Its open attempts are being ended."""
    ALIVE = "alive"
    """Its counter moved: nothing was done."""


class RotateAnswer(StrEnum):
    """What `rotate` did."""

    TURNED = "turned"
    KEPT = "kept"
    """The current slot is young and small, or nothing happens in it."""
    FULL = "full"
    """No other slot is empty."""
    BUSY = "busy"


class PruneAnswer(StrEnum):
    """What `prune` did."""

    PRUNED = "pruned"
    NEEDED = "needed"
    """Something in it is pending, open or within its retention."""
    CURRENT = "current"
    HELD = "held"
    """Somebody else's lock on it is old: a dump, a forgotten reader. Try later."""
    BUSY = "busy"


class EvacuateAnswer(StrEnum):
    """What `evacuate` did."""

    MOVED = "moved"
    LARGE = "large"
    """More entries in it are alive than the call would move."""
    CURRENT = "current"
    HELD = "held"
    BUSY = "busy"


class StartAnswer(StrEnum):
    """What `worker_start` found."""

    STARTED = "started"
    ALREADY = "already"


class BeatAnswer(StrEnum):
    """Whether the worker still has its row. `gone` means: stop everything and start anew."""

    ALIVE = "alive"
    GONE = "gone"


class StopAnswer(StrEnum):
    """What `worker_stop` found."""

    STOPPED = "stopped"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """How a worker process introduces itself to operators, and in one point to observers."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    version: str
    poll_only: bool = False
    """No session of its lasts: it holds no liveness lock, and is judged by its beats alone."""
    role: str = "all"
    """all; dispatch: it never leads; maintenance: it only leads."""
    kinds: tuple[str, ...] = ()
    """What it has handlers for when it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """The answer to one job: its id, its state, and whether an older job stood for it."""

    id: int
    """0 when it was skipped: nothing was stored."""
    state: JobState | None
    """None when it was skipped."""
    duplicate: bool
    answer: EnqueueAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """At most `limit` entries of one queue."""

    queue: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """Entries taken together: the numbers `seqs` of one lane, whose rows lie in one slot."""

    queue: str
    slot: int
    part: int
    """Ordinal of this row within its claim call, from 1: with the token, the row's name."""
    lane: int
    seqs: Ranges
    deadline: datetime | None
    """By the database's clock; None when the queue has no deadline."""
    bodies: Bodies | None = None
    """Those of all its entries; None when they have to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAnswer:
    """What a claim took, and what it says of the queues."""

    rows: tuple[ClaimRow, ...]
    empty: frozenset[str]
    """Nothing to take there now: the worker may go to sleep for these."""
    busy: frozenset[str]
    """Another claim is at work there, which is not idleness: ask again soon. Also of a queue that
    gave less than its limit, when that may not be all."""


class Body(NamedTuple):
    """One claimed entry with everything its handler needs.

    A tuple and not a dataclass: one is made for every job that runs, and a tuple is made of the
    driver's row in a tenth of a microsecond.
    """

    slot: int
    part: int
    lane: int
    seq: int
    job_id: int
    run_lease: int
    """Grows by one with each entry of the job: the public fencing number."""
    attempt: int
    """Ordinal of this attempt, from 1; a released attempt keeps its number."""
    max_attempts: int
    losses: int
    kind: str
    args: bytes
    """JSON text."""
    extra: bytes
    """JSON text of an object: tags, metadata and whatever else the job carries."""
    enqueued_s: float
    """Unix time by the database's clock; a number, because a datetime would be half the cost of
    the whole row."""

    @property
    def enqueued_at(self) -> datetime:
        """When the job was stored, by the database's clock, in UTC."""
        return datetime.fromtimestamp(self.enqueued_s, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleItem:
    """Entries of one claim row that ended alike."""

    slot: int
    token: int
    part: int
    seqs: Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the handler of one entry returned. `item` is 1-based within its settle call."""

    item: int
    seq: int
    value: bytes
    """JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one entry failed. `item` is 1-based within its settle call."""

    item: int
    seq: int
    error: bytes | None = None
    """JSON text of an object: `error` and `type`."""
    delay_s: float | None = None
    """Until the next attempt; None for the back-off of the attempt. `fail` ignores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The database's answer for some numbers of one item (1-based within the settle call)."""

    item: int
    answer: Answer
    seqs: Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The answer to a heartbeat; `released` open entries were given back as lost."""

    answer: BeatAnswer
    released: int
    busy: int
    """Claims that somebody else was settling: look again."""
    at_s: float
    """When it was answered, by the server's clock, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedElsewhere:
    """Open attempts of a worker, as it believes, that somebody else has ended."""

    token: int
    part: int
    seqs: Ranges
    outcome: str
    """Of the closure: cancelled, lost, expired; `forgotten` when nothing is known of the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an operator's act did with one job: the `item`-th of the call, from 1."""

    item: int
    answer: ActAnswer
    state: str | None
    """Where it is now: a JobState, `dead_lettered` or `purged`; None when there is no such job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """How many deferred jobs became available, and when the next one is due (None: never)."""

    promoted: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """How many jobs were forgotten, because their retention is over."""

    finals: int
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What `rotate` did, and which slot is current."""

    answer: RotateAnswer
    slot: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What `prune` did with one slot."""

    answer: PruneAnswer
    freed_bytes: int
    reappended: int
    """Entries that nothing knew of, and that were given a new number: a defect, made harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuation:
    """What `evacuate` did with one slot; `moved` entries are in the current one now."""

    answer: EvacuateAnswer
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A worker as the database shows it at one moment; judging it takes several looks."""

    worker: int
    beat: int
    alive: bool
    """Whether a session of its holds its liveness lock, or none can be expected to."""
    beaten: bool
    """Whether its last beat was taken in this run of the server, whose locks are those of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A property that `check` found broken, and where."""

    property: str
    detail: str
