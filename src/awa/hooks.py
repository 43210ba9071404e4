"""What became of jobs, as values for the functions that `client.on_event` registers.

::

    match event:
        case hooks.Completed(job_id=job_id, duration_s=duration_s): ...
        case hooks.Exhausted(error=error): ...
"""

from dataclasses import dataclass
from typing import Any

__all__ = [
    "Cancelled",
    "Completed",
    "Exhausted",
    "JobEvent",
    "Rescued",
    "Retried",
    "Snoozed",
    "Started",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to one attempt at a job, in the worker that ran it or rescued it."""

    job_id: int
    kind: str
    queue: str
    attempt: int
    """Which attempt it was, from 1."""
    run_lease: int
    """Grows with every run of the job: with `job_id` the name of this one."""
    args: Any
    """The decoded arguments, not to be changed; None when they could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(JobEvent):
    """Its handler is about to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(JobEvent):
    """The job is done."""

    duration_s: float
    """How long the handler took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(JobEvent):
    """The attempt failed, and there will be another one."""

    error: str
    error_type: str
    delay_s: float | None
    """How long the job waits; None where the database's own back-off decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted(JobEvent):
    """The attempt failed, and the job with it: no attempt is left, or it cannot succeed."""

    error: str
    error_type: str
    dead_lettered: bool
    """Whether the job is a dead letter now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(JobEvent):
    """The job ended as cancelled, by its handler or, while it ran, by somebody else."""

    reason: str | None
    """Of the handler; None when it gave none, or when it was somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed(JobEvent):
    """The job is put off; the attempt does not count."""

    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued(JobEvent):
    """Somebody else ended the attempt because it took too long, or its worker seemed dead.

    Told by the worker that ended it, the leader, and by the one that ran it if that still lives:
    two workers may hear of one `run_lease`.
    """

    why: str
    """`expired` or `lost`."""
