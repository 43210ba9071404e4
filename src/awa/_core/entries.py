"""The values that pass between the database and the runtime; all frozen.

Words as in the glossary: an entry is one attempt at one job, numbered `seq` within its `lane`; a
claim row records a set of entries taken together and is named by (token, part); a settlement is
the database's answer about some of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from awa._core.ranges import Ranges  # noqa: TC001  as above


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
    """How a worker process introduces itself; shown to operators, decides nothing."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """The answer to one job: its id, its state, and whether an older job stood for it."""

    id: int
    state: JobState
    duplicate: bool


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAnswer:
    """What a claim took, and what it says of each queue that gave nothing."""

    rows: tuple[ClaimRow, ...]
    empty: frozenset[str]
    """Nothing to take there now: the worker may go to sleep for these."""
    busy: frozenset[str]
    """Another claim is at work there, which is not idleness: ask again soon."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A property that `check` found broken, and where."""

    property: str
    detail: str
