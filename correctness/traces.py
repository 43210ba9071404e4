"""Recorded events, and the traces they are cut into: one per lane, with small numbers for names.

A trace keeps what Storage speaks of. Random tokens, workers and settle ids become 1, 2, 3 in the
order of their first appearance, so two tests that did the same thing give the same trace.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from correctness.naming import Event, Names
from correctness.projecting import PROJECT, appearing, lanes_of, refuse_repeats
from correctness.telling import asked, project

WORKERS_LANE: Final = 0
"""The trace of a database's workers, who belong to no lane. Lanes count from 1."""

_WORKERS: Final = {"worker_start", "worker_stop", "rescue_worker"}
"""They concern every lane in which the worker ever claimed."""
_RING: Final = {"rotate", "prune"}
"""They concern every lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event as it was emitted, and the transaction it came with."""

    transaction: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was recorded of one lane. `lines[n]` is the place of `events[n]` in the recording."""

    lane: int
    born: bool
    """Whether the lane was there before the recording began."""
    ring: int
    """The current slot when the recording began."""
    appear: frozenset[int]
    """Every number that ever appears in it."""
    bounds: frozenset[tuple[int, int]]
    """Jobs, and how many attempts they have, as far as the census knows them."""
    wants: frozenset[tuple[int, int, frozenset[str]]]
    """Jobs with the unique key they ask for and the states that hold it, from there as well."""
    asked: frozenset[int]
    """Jobs that the events tell of: of these the replay keeps in which states they were."""
    events: tuple[dict[str, Any], ...]
    lines: tuple[int, ...]


def read_ndjson(path: Path) -> list[Recorded]:
    """Read a file of events, one JSON object a line; `tx` is its transaction, else one each."""
    events = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [
        Recorded(transaction=event.get("tx", -number), event=event)
        for number, event in enumerate(events, 1)
    ]


def write_ndjson(path: Path, recorded: Iterable[Recorded]) -> None:
    """Write a file that `read_ndjson` reads; transactions are numbered from 1."""
    numbers: dict[int, int] = {}
    with path.open("w") as out:
        for one in recorded:
            number = numbers.setdefault(one.transaction, len(numbers) + 1)
            event = {key: value for key, value in one.event.items() if key != "tx"}
            out.write(json.dumps({"tx": number, **event}) + "\n")


def cut(recorded: Sequence[Recorded]) -> list[Trace]:
    """Cut a recording into one trace per lane, and one of the workers.

    Raise ValueError when an event repeats itself.
    """
    for one in recorded:
        refuse_repeats(one.event)
    lanes = sorted({lane for one in recorded for lane in lanes_of(one.event)})
    traces = [_cut_lane(recorded, lane) for lane in lanes]
    workers = _workers_trace(recorded)
    return [*traces, workers] if workers.events else traces


def _cut_lane(recorded: Sequence[Recorded], lane: int) -> Trace:
    names = _names(recorded, lane)
    concerned = _concern(recorded, lane)
    events: list[dict[str, Any]] = []
    lines: list[int] = []
    for line, one in enumerate(recorded):
        if not concerned(one.event):
            continue
        projected = project(one.event, lane, names)
        if one.event["a"] == "claim":
            projected[0]["mid"] = _claimed_again(recorded, line, lane)
        events += projected
        lines += [line] * len(projected)
    return Trace(
        lane=lane,
        born=not any(event["a"] == "ensure_lane" for event in events),
        ring=next((event["from"] for event in events if event["a"] == "rotate"), 0),
        appear=_appear(recorded, lane),
        bounds=_bounds(recorded, lane, names),
        wants=_wants(recorded, lane, names),
        asked=asked(events),
        events=tuple(events),
        lines=tuple(lines),
    )


def _concern(recorded: Sequence[Recorded], lane: int) -> Callable[[Event], bool]:
    """Which events are part of a lane's trace."""
    mine = [one.event for one in recorded if lane in lanes_of(one.event)]
    workers = {event["worker"] for event in mine if event["a"] in {"claim", "heartbeat"}}
    tokens = {event["token"] for event in mine if event["a"] == "claim"}

    def concerned(event: Event) -> bool:
        if event["a"] == "claim":
            return event["token"] in tokens
        if event["a"] in _WORKERS:
            return event["worker"] in workers or lane in lanes_of(event)
        return event["a"] in _RING or lane in lanes_of(event)

    return concerned


def _names(recorded: Sequence[Recorded], lane: int) -> Names:
    return Names((one.event for one in recorded), _appear(recorded, lane))


def _appear(recorded: Sequence[Recorded], lane: int) -> frozenset[int]:
    return frozenset(number for one in recorded for number in appearing(one.event, lane))


def _known_of(recorded: Sequence[Recorded], lane: int, key: str) -> Iterator[list[Any]]:
    """What the censuses of a lane say of each job they find."""
    for one in recorded:
        if one.event["a"] == "census" and one.event["lane"] == lane:
            yield from one.event.get(key, ())


def _bounds(recorded: Sequence[Recorded], lane: int, names: Names) -> frozenset[tuple[int, int]]:
    known = _known_of(recorded, lane, "bounds")
    return frozenset((names.of("job", job), most) for job, most in known)


def _wants(
    recorded: Sequence[Recorded], lane: int, names: Names
) -> frozenset[tuple[int, int, frozenset[str]]]:
    return frozenset(
        (names.of("job", job), names.of("key", int(key, 16)), frozenset(states))
        for job, key, states in _known_of(recorded, lane, "unique")
    )


def _workers_trace(recorded: Sequence[Recorded]) -> Trace:
    names = _names(recorded, WORKERS_LANE)
    kept = [
        (line, one.event)
        for line, one in enumerate(recorded)
        if one.event["a"] in _WORKERS | {"heartbeat"}
    ]
    return Trace(
        lane=WORKERS_LANE,
        born=False,
        ring=0,
        appear=frozenset(),
        bounds=frozenset(),
        wants=frozenset(),
        asked=frozenset(),
        events=tuple(
            projected
            for _, event in kept
            for projected in PROJECT[event["a"]](event, WORKERS_LANE, names)
        ),
        lines=tuple(line for line, _ in kept),
    )


def _claimed_again(recorded: Sequence[Recorded], line: int, lane: int) -> bool:
    """Whether the lane is claimed once more in the same transaction, after this claim."""
    return any(
        later.transaction == recorded[line].transaction
        and later.event["a"] == "claim"
        and lane in lanes_of(later.event)
        for later in recorded[line + 1 :]
    )
