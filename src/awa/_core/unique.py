"""Unique jobs: what makes two jobs the same, for how long, and the key that says so.

The key is part of the public contract: docs/derivations.md holds test vectors, and `unique_key` in
SQL is the twin. Who holds a key is decided by the database alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final, Literal, get_args

import blake3
import msgspec

from awa._core.canonical import canonical_json
from awa._core.entries import JobState
from awa._core.lifecycle import FINAL, LIVE, MOVES
from awa.errors import InvalidInput

Until = Literal["started", "finished", "window"]
OnConflict = Literal["raise", "return", "replace", "skip"]

KEY_BYTES: Final = 16
PERIOD_MAX_S: Final = 3_153_600_000
"""A hundred years."""

_BORN: Final = frozenset({JobState.SCHEDULED, JobState.AVAILABLE})
"""Where a job begins."""
_WAITING: Final = (
    (JobState.RUNNING, JobState.WAITING_EXTERNAL),
    (JobState.WAITING_EXTERNAL, JobState.AVAILABLE),
)
"""Waiting for a callback: counted before there are callbacks, so that no mask opens with them."""
_PRESETS: Final = 'the presets "started", "finished" and "window" are closed'


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueOpts:
    """What makes a job unique: by default its kind and arguments, until it has finished.

    Of jobs with the same key only one exists at a time; `on_conflict` of the insert says what
    becomes of the second.
    """

    by_args: bool = True
    """Whether jobs with other arguments are others. Floats among them are refused."""
    by_queue: bool = False
    """Whether jobs in other queues are others."""
    period: timedelta | float | None = None
    """Jobs inserted in another period are others: whole seconds, counted from 1970 in UTC by the
    database's clock. An hour is the clock's hour, not the next sixty minutes."""
    by_period: int | None = None
    """The number of a period that you count yourself, instead of `period`."""
    until: Until | None = None
    """`finished` (the default): until the job has completed, failed or was cancelled. `started`:
    until its first attempt starts. `window`: until its `period` ends, whatever becomes of it."""
    states: Collection[str] | None = None
    """The states that keep the key, instead of `until`; see docs/unique-jobs.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniqueness:
    """Checked: how to write `opts.unique` for any number of jobs."""

    by_args: bool
    by_queue: bool
    by_period: int | None
    period_s: int | None
    held: Mapping[str, object]
    """`until` or `states`, as stored."""


def unique_key(
    kind: str,
    *,
    args: object | None = None,
    queue: str | None = None,
    period_bucket: int | None = None,
) -> bytes:
    """The key of 16 bytes; what is None was not chosen. `args`: values as JSON has them.

    Raises InvalidInput for arguments that languages would write differently.
    """
    parts = [kind.encode()]
    if queue is not None:
        parts.append(queue.encode())
    if args is not None:
        parts.append(canonical_json("args", args).encode())
    if period_bucket is not None:
        parts.append(period_bucket.to_bytes(8, "little", signed=True))
    return blake3.blake3(b"\0".join(parts)).digest(length=KEY_BYTES)


def checked_unique(value: object) -> Uniqueness:
    """Check the option `unique`: UniqueOpts, True for its defaults, or a mapping of its fields."""
    opts = _opts_of(value)
    for name in ("by_args", "by_queue"):
        if not isinstance(getattr(opts, name), bool):
            raise InvalidInput(f"unique.{name}", f"must be a boolean, not {getattr(opts, name)!r}")
    period_s = None if opts.period is None else _checked_period_s(opts.period)
    if opts.by_period is not None:
        _check_bucket(opts.by_period, period_s)
    return Uniqueness(
        by_args=opts.by_args,
        by_queue=opts.by_queue,
        by_period=opts.by_period,
        period_s=period_s,
        held=_held(opts, period_s),
    )


def stored_unique(chosen: Uniqueness, *, kind: str, args: bytes, queue: str) -> dict[str, object]:
    """`opts.unique` of one job. With a period the database derives the key: its clock counts.

    Raises InvalidInput for arguments that cannot enter a key.
    """
    values = msgspec.json.decode(args) if chosen.by_args else None
    by_queue = queue if chosen.by_queue else None
    key = unique_key(kind, args=values, queue=by_queue, period_bucket=chosen.by_period)
    if chosen.period_s is None:
        return {"key": key.hex(), **chosen.held}
    by = [name for name in ("args", "queue") if getattr(chosen, f"by_{name}")]
    return {"by": by, "period_s": chosen.period_s, **chosen.held}


def missing_states(states: frozenset[JobState]) -> frozenset[JobState]:
    """The states that a set lacks to be closed: where a job begins, and where it comes back from.

    A job that left the set and came back would find its key taken. Operators' acts on ended jobs
    are exempt, because they ask for the key anew.
    """
    edges = {
        (m.before, m.after)
        for m in MOVES
        if isinstance(m.before, JobState)
        and isinstance(m.after, JobState)
        and m.before not in FINAL
    }
    edges.update(_WAITING)
    inside = states | _BORN
    left = _reached(inside, edges)
    back = _reached(inside, {(after, before) for before, after in edges})
    return (inside | (left & back)) - states


def _opts_of(value: object) -> UniqueOpts:
    known = [field.name for field in fields(UniqueOpts)]
    match value:
        case UniqueOpts():
            return value
        case True:
            return UniqueOpts()
        case Mapping():
            for name in value:
                if name not in known:
                    problem = f"is not known; there are {', '.join(known)}"
                    raise InvalidInput(f"unique.{name}", problem)
            return UniqueOpts(**value)
        case _:
            raise InvalidInput("unique", f"must be awa.UniqueOpts or True, not {value!r}")


def _checked_period_s(value: object) -> int:
    field = "unique.period"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(field, f"must be a timedelta or seconds, not {value!r}")
    if not 1 <= seconds <= PERIOD_MAX_S or seconds != int(seconds):
        problem = f"is {seconds} seconds; it must be whole seconds from 1 to {PERIOD_MAX_S}"
        raise InvalidInput(field, problem)
    return int(seconds)


def _check_bucket(bucket: object, period_s: int | None) -> None:
    field = "unique.by_period"
    if isinstance(bucket, bool) or not isinstance(bucket, int):
        raise InvalidInput(field, f"must be an integer, not {bucket!r}")
    if not -(2**63) <= bucket < 2**63:
        raise InvalidInput(field, f"is {bucket}, which does not fit 64 bits")
    if period_s is not None:
        raise InvalidInput(field, "contradicts period: give one of them")


def _held(opts: UniqueOpts, period_s: int | None) -> dict[str, object]:
    if opts.states is not None:
        if opts.until is not None:
            raise InvalidInput("unique.states", "contradicts until: give one of them")
        return {"states": _checked_states(opts.states)}
    until = "finished" if opts.until is None else opts.until
    if until not in get_args(Until):
        problem = f"must be one of {', '.join(get_args(Until))}, not {until!r}"
        raise InvalidInput("unique.until", problem)
    if until == "window" and period_s is None:
        raise InvalidInput("unique.period", 'is needed with until="window": it is the window')
    return {"until": until}


def _checked_states(states: object) -> list[str]:
    field = "unique.states"
    if isinstance(states, str | bytes | Mapping) or not isinstance(states, Collection):
        raise InvalidInput(field, f"must be a list of states, not {states!r}")
    known = [state.value for state in JobState]
    chosen: set[JobState] = set()
    for state in states:
        if state not in known:
            raise InvalidInput(field, f"has {state!r}; the states are {', '.join(known)}")
        chosen.add(JobState(state))
    missing = missing_states(frozenset(chosen))
    if missing:
        problem = (
            f"lacks {', '.join(sorted(missing))}: a job begins there or comes back from there, "
            f"and would find its key taken; {_PRESETS}"
        )
        raise InvalidInput(field, problem)
    return sorted(chosen)


def _reached(
    start: frozenset[JobState], edges: Iterable[tuple[JobState, JobState]]
) -> frozenset[JobState]:
    """The states that lead from `start` along the edges, itself included."""
    found = set(start)
    while more := {after for before, after in edges if before in found} - found:
        found |= more
    return frozenset(found)


assert missing_states(LIVE) == frozenset()
