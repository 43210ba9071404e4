"""What a schedule does with the instants that have passed: which it fires, and when it looks next.

Pure: what is due depends on the rule, on what was dealt with, and on the time that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from awa._core.cron import Rule, last_due, next_due
from awa._core.limits import CATCH_UP_DEFAULT, SKIP_LATE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

_A_LITTLE: Final = timedelta(microseconds=1)


class MissedFires(StrEnum):
    """What becomes of instants that passed while nobody fired them."""

    COALESCE = "coalesce"
    """They are fired together, once: the last of them."""
    CATCH_UP = "catch_up"
    """Each is fired, up to a number: the last of them."""
    SKIP = "skip"
    """None is fired, unless it passed just now."""


class Overlap(StrEnum):
    """What becomes of an instant while a job of an earlier one is not finished."""

    ALLOW = "allow"
    SKIP = "skip"
    """Nothing is stored."""
    REPLACE = "replace"
    """The older job is cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule fires. `key` makes its jitter its own."""

    rule: Rule
    key: str
    missed: MissedFires = MissedFires.COALESCE
    late_max_s: float | None = None
    """An instant that is later than this is not fired; None: however late, with skip a minute."""
    catch_up_max: int = CATCH_UP_DEFAULT
    jitter_s: float = 0.0

    def lateness_s(self) -> float:
        """How late an instant may be fired."""
        if self.late_max_s is not None:
            return self.late_max_s
        return SKIP_LATE_S if self.missed is MissedFires.SKIP else float("inf")

    def most(self) -> int:
        """How many instants may be fired at once."""
        return self.catch_up_max if self.missed is MissedFires.CATCH_UP else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask of the database for one schedule."""

    fires: tuple[datetime, ...]
    """In their order."""
    upto: datetime | None
    """All instants up to this one have been dealt with then; None: none has passed."""
    next_at: datetime | None
    """When to look again; None: it is never due again."""


def plan(timing: Timing, *, since: datetime, now: datetime) -> Plan:
    """What is to be done at `now` when all was dealt with up to `since`."""
    passed = _passed(timing, since=since, now=now)
    newest = next(passed, None)
    if newest is None:
        return Plan(fires=(), upto=None, next_at=fire_at_after(timing, since))
    fires: list[datetime] = []
    due: datetime | None = newest
    while due is not None and len(fires) < timing.most():
        if (now - fire_at(timing, due)).total_seconds() > timing.lateness_s():
            break
        fires.append(due)
        due = next(passed, None)
    return Plan(fires=tuple(reversed(fires)), upto=newest, next_at=fire_at_after(timing, newest))


def fire_at_after(timing: Timing, due: datetime) -> datetime | None:
    """When the instant after this one is fired."""
    following = next_due(timing.rule, due)
    return None if following is None else fire_at(timing, following)


def fire_at(timing: Timing, due: datetime) -> datetime:
    """When an instant is fired: never before it, nor after the next one."""
    if not timing.jitter_s:
        return due
    late = timedelta(seconds=timing.jitter_s * _share(f"{timing.key}\n{due.isoformat()}"))
    following = next_due(timing.rule, due)
    return due + (late if following is None else min(late, following - due))


def next_fires(timing: Timing, *, after: datetime, count: int) -> tuple[datetime, ...]:
    """The next instants, in their order, without jitter."""
    found: list[datetime] = []
    due = next_due(timing.rule, after)
    while due is not None and len(found) < count:
        found.append(due)
        due = next_due(timing.rule, due)
    return tuple(found)


def _passed(timing: Timing, *, since: datetime, now: datetime) -> Iterator[datetime]:
    """Instants after `since` whose time to fire has come, the last one first."""
    due = last_due(timing.rule, now)
    while due is not None and due > since:
        if fire_at(timing, due) <= now:
            yield due
        due = last_due(timing.rule, due - _A_LITTLE)


def _share(text: str) -> float:
    """A number from 0 up to 1 that belongs to this text."""
    return int.from_bytes(blake3(text.encode()).digest()[:8]) / 2**64
