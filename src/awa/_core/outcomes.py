"""What a handler may say of its attempt, beside returning a value and raising an error.

Values, checked when they are made: a wrong one is an error in the handler's own line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from awa._core.options import checked_duration_s
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done. The same as returning `result`, for handlers that return outcomes."""

    result: Any = None
    """Stored with the job: a value that JSON can carry, or None for none."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The attempt failed: try again after `delay` (a timedelta or seconds).

    It counts as an attempt, so the last one ends the job as failed. `reason` goes into the job's
    errors. Raises InvalidInput.
    """

    delay: timedelta | float
    reason: str | None = None

    def __post_init__(self) -> None:
        checked_duration_s("delay", self.delay)
        _check_reason(self.reason)

    @property
    def delay_s(self) -> float:
        """The delay in seconds."""
        return checked_duration_s("delay", self.delay)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Not now: run the job again after `delay` (a timedelta or seconds).

    The attempt does not count and is no error: the next one has the same number.
    Raises InvalidInput.
    """

    delay: timedelta | float

    def __post_init__(self) -> None:
        checked_duration_s("delay", self.delay)

    @property
    def delay_s(self) -> float:
        """The delay in seconds."""
        return checked_duration_s("delay", self.delay)


@dataclass(frozen=True, slots=True)
class Cancel:
    """The job is not wanted any more: it ends as cancelled. Raises InvalidInput."""

    reason: str | None = None

    def __post_init__(self) -> None:
        _check_reason(self.reason)


class TerminalError(Exception):
    """Raise it, or a subclass, in a handler: the job fails at once, whatever attempts are left."""


class ProcessDied(Exception):
    """What an attempt in a child process failed with when its process ended under it.

    Name it in `fail_on` where a job that kills its process should not be tried again.
    """


Outcome: TypeAlias = Completed | RetryAfter | Snooze | Cancel
OUTCOMES: Final = (Completed, RetryAfter, Snooze, Cancel)


def _check_reason(reason: object) -> None:
    if reason is not None and not isinstance(reason, str):
        raise InvalidInput("reason", f"must be a string, not {reason!r:.100}")
