"""What a rescue did: attempts that were ended without a word of their worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from awa._core.entries import RescueAnswer


class RescuedAttempt(NamedTuple):
    """An attempt that was ended without a word of its worker."""

    job_id: int
    kind: str
    queue: str
    attempt: int
    run_lease: int
    args: bytes
    """JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What `rescue_worker` did with the open attempts of one worker."""

    answer: RescueAnswer
    released: int
    """Attempts whose jobs are available or deferred again."""
    ended: int
    """Attempts whose jobs were lost too often, and ended with them."""
    busy: int
    """Claims that somebody else was settling: look again."""
    rescued: tuple[RescuedAttempt, ...] = ()
    """Of those that ended, some of the kinds that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRescue:
    """What `rescue_deadline` did with attempts past their deadline; when the next one is due."""

    released: int
    ended: int
    busy: int
    next_at: datetime | None
    rescued: tuple[RescuedAttempt, ...] = ()
