"""Who is alive, judged by what one observer has seen with its own eyes.

No clock but the observer's own takes part. What an observer knows ends with its session; a new
session knows nothing.

A worker is lost when the observer has seen one of these:

* silence: the same beat in several looks, over the whole time-out;
* absence: the same beat, and nobody holding the worker's liveness lock, through the grace. Only
  while that beat is one of this run of the server: a connection brought it that held the lock.
  After a restart, a crash or a promotion nobody's lock is held until everybody is back, and then
  nobody's beat is of this run either.

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
    """None: at the last look its lock was held, or could not be expected to be."""
    is_free: bool
    """At the last look nobody held its lock, whoever did before."""


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
            seen.worker: _after(watch.records.get(seen.worker), seen, gap_s, patience)
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
    """Whether the last look saw a worker whose lock nobody holds: it begins, or it may be lost."""
    return any(record.is_free for record in watch.records.values())


def look_again_s(workers: int, *, least_s: float, share_s: float) -> float:
    """Seconds between two looks of one follower, when so many workers take turns at looking.

    All together they look once in `share_s`, however many they are: each look reads every worker.
    """
    assert workers >= 0
    return max(least_s, workers * share_s)


def _after(before: _Record | None, seen: Observed, gap_s: float, patience: Patience) -> _Record:
    is_absent = seen.beaten and not seen.alive
    if before is None or before.beat != seen.beat:
        return _Record(seen.beat, 1, 0.0, 0.0 if is_absent else None, not seen.alive)
    absent_s = None
    if is_absent:
        glance_s = min(gap_s, patience.glance_s)
        absent_s = 0.0 if before.absent_s is None else before.absent_s + glance_s
    silent_s = before.silent_s + min(gap_s, patience.beat_s)
    return _Record(seen.beat, before.looks + 1, silent_s, absent_s, not seen.alive)


def _signs(record: _Record, patience: Patience) -> Iterable[tuple[Sign, float]]:
    if record.looks >= patience.looks_min and record.silent_s >= patience.timeout_s:
        yield Sign.SILENCE, record.silent_s
    elif record.absent_s is not None and record.absent_s >= patience.grace_s:
        yield Sign.ABSENCE, record.absent_s
