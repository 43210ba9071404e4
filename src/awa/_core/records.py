"""What people and programs are shown of jobs and queues; nothing is decided by these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # a value's field types stay readable at run time

from awa._core.entries import JobState  # noqa: TC001  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as it is now. Times are by the database's clock."""

    id: int
    kind: str
    queue: str
    priority: int
    state: JobState
    attempt: int
    """Ordinal of the newest attempt, from 1; it may not have begun."""
    max_attempts: int
    run_lease: int
    losses: int
    args: bytes
    """JSON text."""
    extra: bytes
    """JSON text of an object: `tags`, `metadata`, `deadline_s` where given."""
    enqueued_at: datetime
    run_at: datetime | None
    """When a deferred job falls due."""
    claimed_at: datetime | None
    finished_at: datetime | None
    worker: int | None
    """Who runs it, or ran it last, while the ring remembers."""
    result: bytes | None
    """JSON text of what the handler returned, while the ring remembers."""
    reason: str | None
    """Why it ended otherwise than completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list: all conditions that are given hold. None means any."""

    state: JobState | None = None
    kind: str | None = None
    queue: str | None = None
    before_id: int | None = None
    """Only jobs with a smaller id: the last id of a page gives the next page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One queue as it is now."""

    queue: str
    available: int
    """Waiting to be claimed; producers in flight are counted in."""
    running: int
    completed: int
    """As far back as the ring remembers."""
    deferred: int
    final: int
    """Failed and cancelled jobs that are kept."""
    deadline_s: float
    aging_s: float
    enqueue_shards: int
    paused: bool
