"""Who is alive, judged by what one observer has seen with its own eyes.

No clock but the observer's own takes part, and no start time of a server: when one backend crashes
all sessions and locks of the server are gone, a standby that takes over forgets all locks too, and
neither shows in its start time. What an observer knows ends with its session; a new session knows
nothing.

A worker is lost when the observer has seen one of these:

* silence: the same beat in several looks, over the whole time-out;
* absence: the same beat, and nobody holding the worker's liveness lock, through the grace. Only
  of a worker that lived in the observer's session: some look saw its lock held, or a beat came
  between two looks, which a connection brought that held the lock. Right after a restart of the
  server nobody's lock is held until everybody is back; but then the observer's session is new, too.

Between two looks the observer may itself have been asleep, with or without the rest of the world.
So the time between two looks counts only up to a bound, however long it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awa._core.entries import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much an observer must have seen before it judges."""

    timeout_s: float
    """Silence for so long, in `looks_min` looks, is loss."""
    grace_s: float
    """Absence for so long is loss."""
    beat_s: float
    """The time between two beats; two looks show at most so much silence."""
    glance_s: float
    """Two looks show at most so much absence."""
    looks_min: int = 3

    def __post_init__(self) -> None:
        assert 0 < self.glance_s <= self.grace_s <= self.timeout_s
        # A time-out takes more than one gap between looks to see, and more than one beat.
        assert 0 < 2 * self.beat_s < self.timeout_s
        assert self.looks_min >= 2  # noqa: PLR2004  # one look sees no time pass


class Sign(Enum):
    """Why a worker is thought to be lost."""

    SILENCE = auto()
    ABSENCE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker that is lost, if its counter still stands at `beat`: the database looks again."""

    worker: int
    beat: int
    sign: Sign
    seconds: float
    """For how long it was seen."""


@dataclass(frozen=True, slots=True)
class _Record:
    """One worker, since its counter was first seen where it is."""

    beat: int
    looks: int
    silent_s: float
    absent_s: float | None
    """None: the last look saw its lock held."""
    was_here: bool
    """It held its lock at some moment of the observer's session."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What an observer has seen in its session; empty when the session begins."""

    answered_s: float | None = None
    """When the last look was answered, by the observer's own clock."""
    records: Mapping[int, _Record] = field(default_factory=dict)


def look(
    watch: Watch,
    workers: Iterable[Observed],
    *,
    asked_s: float,
    answered_s: float,
    patience: Patience,
) -> Watch:
    """The watch after one more look. A worker that is not seen any more is forgotten.

    The look was made at some moment between `asked_s` and `answered_s` of the observer's clock.
    """
    assert asked_s <= answered_s
    gap_s = 0.0 if watch.answered_s is None else asked_s - watch.answered_s
    assert gap_s >= 0
    return Watch(
        answered_s=answered_s,
        records={
            seen.worker: _after(before, seen, gap_s, patience)
            if (before := watch.records.get(seen.worker)) is not None
            else _first(seen, looked_before=watch.answered_s is not None)
            for seen in workers
        },
    )


def lost(watch: Watch, patience: Patience) -> tuple[Lost, ...]:
    """The workers that the watch shows to be lost."""
    return tuple(
        Lost(worker=worker, beat=record.beat, sign=sign, seconds=seconds)
        for worker, record in watch.records.items()
        for sign, seconds in _signs(record, patience)
    )


def somebody_is_absent(watch: Watch) -> bool:
    """Whether the last look saw a worker whose lock nobody holds."""
    return any(record.absent_s is not None for record in watch.records.values())


def look_again_s(workers: int, *, least_s: float, share_s: float) -> float:
    """Seconds between two looks of one follower, when so many workers take turns at looking.

    All together they look once in `share_s`, however many they are: each look reads every worker.
    """
    assert workers >= 0
    return max(least_s, workers * share_s)


def _first(seen: Observed, *, looked_before: bool) -> _Record:
    # A worker that was not there at the last look has beaten since, if it ever has.
    was_here = seen.alive or (looked_before and seen.beat > 0)
    return _Record(seen.beat, 1, 0.0, None if seen.alive else 0.0, was_here)


def _after(before: _Record, seen: Observed, gap_s: float, patience: Patience) -> _Record:
    if before.beat != seen.beat:
        return _Record(seen.beat, 1, 0.0, None if seen.alive else 0.0, was_here=True)
    was_here = before.was_here or seen.alive
    if seen.alive:
        absent_s = None
    elif before.absent_s is None:
        absent_s = 0.0
    else:
        absent_s = before.absent_s + min(gap_s, patience.glance_s)
    silent_s = before.silent_s + min(gap_s, patience.beat_s)
    return _Record(seen.beat, before.looks + 1, silent_s, absent_s, was_here)


def _signs(record: _Record, patience: Patience) -> Iterable[tuple[Sign, float]]:
    if record.looks >= patience.looks_min and record.silent_s >= patience.timeout_s:
        yield Sign.SILENCE, record.silent_s
    elif (
        record.was_here
        # Before its first beat a worker may not have opened the sessions that hold its lock.
        and record.beat > 0
        and record.absent_s is not None
        and record.absent_s >= patience.grace_s
    ):
        yield Sign.ABSENCE, record.absent_s
