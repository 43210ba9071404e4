"""Recorded events, and the traces they are cut into: one per lane, with small numbers for names.

A trace keeps what Storage speaks of. Random tokens, workers and settle ids become 1, 2, 3 in the
order of their first appearance, so two tests that did the same thing give the same trace.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Event = Mapping[str, Any]

WORKERS_LANE: Final = 0
"""The trace of a database's workers, who belong to no lane. Lanes count from 1."""

_APPENDS: Final = {"enqueue", "enqueue_many"}
_SETTLES: Final = {"complete", "release"}
_WORKERS: Final = {"worker_start", "worker_stop"}
_NUMBER_MAX: Final = 2**63
_SPAN: Final = re.compile(r"[\[(](-?\d*),(-?\d*)\)")


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
    appear: frozenset[int]
    """Every number that ever appears in it."""
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
    """Cut a recording into one trace per lane, and one of the workers."""
    lanes = sorted({lane for one in recorded for lane in _lanes_of(one.event)})
    traces = [_cut_lane(recorded, lane) for lane in lanes]
    workers = _workers_trace(recorded)
    return [*traces, workers] if workers.events else traces


def _lanes_of(event: Event) -> set[int]:
    lanes = {event["lane"]} if "lane" in event else set()
    lanes |= {entry[0] for entry in event.get("entries", ())} if event["a"] != "census" else set()
    lanes |= {row["lane"] for row in event.get("rows", ())}
    return lanes | {item["lane"] for item in event.get("items", ())}


def _cut_lane(recorded: Sequence[Recorded], lane: int) -> Trace:
    names = _Names(recorded, lane)
    tokens = {
        one.event["token"]
        for one in recorded
        if one.event["a"] == "claim" and any(row["lane"] == lane for row in one.event["rows"])
    }
    workers = _workers_of(recorded, lane)
    events: list[dict[str, Any]] = []
    lines: list[int] = []
    for line, one in enumerate(recorded):
        if one.event["a"] in _WORKERS and one.event["worker"] not in workers:
            continue
        if one.event["a"] == "claim" and one.event["token"] not in tokens:
            continue
        if one.event["a"] not in _WORKERS | {"claim"} and lane not in _lanes_of(one.event):
            continue
        events.append(_PROJECT[one.event["a"]](one.event, lane, names))
        lines.append(line)
        if one.event["a"] == "claim":
            events[-1]["mid"] = _claimed_again(recorded, line, lane)
    return Trace(
        lane=lane,
        born=not any(event["a"] == "ensure_lane" for event in events),
        appear=_appear(recorded, lane),
        events=tuple(events),
        lines=tuple(lines),
    )


def _appear(recorded: Sequence[Recorded], lane: int) -> frozenset[int]:
    return frozenset(
        entry[2]
        for one in recorded
        if one.event["a"] != "census"
        for entry in one.event.get("entries", ())
        if entry[0] == lane
    )


def _workers_trace(recorded: Sequence[Recorded]) -> Trace:
    names = _Names(recorded, WORKERS_LANE)
    kept = [
        (line, one.event)
        for line, one in enumerate(recorded)
        if one.event["a"] in _WORKERS | {"heartbeat"}
    ]
    return Trace(
        lane=WORKERS_LANE,
        born=False,
        appear=frozenset(),
        events=tuple(_PROJECT[event["a"]](event, WORKERS_LANE, names) for _, event in kept),
        lines=tuple(line for line, _ in kept),
    )


def _workers_of(recorded: Sequence[Recorded], lane: int) -> set[int]:
    return {
        one.event["worker"]
        for one in recorded
        if one.event["a"] in {"claim", "heartbeat"} and lane in _lanes_of(one.event)
    }


def _claimed_again(recorded: Sequence[Recorded], line: int, lane: int) -> bool:
    """Whether the lane is claimed once more in the same transaction, after this claim."""
    return any(
        later.transaction == recorded[line].transaction
        and later.event["a"] == "claim"
        and lane in _lanes_of(later.event)
        for later in recorded[line + 1 :]
    )


class _Names:
    """Small numbers for what the world draws at random; calls keep their order."""

    def __init__(self, recorded: Sequence[Recorded], lane: int) -> None:
        self._numbers: dict[str, dict[int, int]] = {}
        # Numbers above every one that appears are all alike: two of them stand for the rest.
        self.top: Final = max(_appear(recorded, lane), default=0) + 3
        calls = {one.event[key] for one in recorded for key in ("call", "upto") if key in one.event}
        self.calls: Final = {call: rank for rank, call in enumerate(sorted(calls), 1)}

    def of(self, kind: str, name: int) -> int:
        """Answer the small number of this name."""
        known = self._numbers.setdefault(kind, {})
        return known.setdefault(name, len(known) + 1)

    def named(self, text: str) -> frozenset[int]:
        """Answer the calls of this recording that a heartbeat's list names; it may be unbounded."""
        spans = _SPAN.findall(text)
        return frozenset(
            rank
            for call, rank in self.calls.items()
            if any(
                (not low or int(low) <= call) and (not high or call < int(high))
                for low, high in spans
            )
        )


def _set(text: str, top: int = _NUMBER_MAX) -> frozenset[int]:
    """The numbers of a multirange from 0 up to `top`: a caller may ask for any numbers at all."""
    return frozenset(
        number
        for low, high in _SPAN.findall(text)
        for number in range(max(0, int(low or 0)), min(int(high or top), top))
    )


def _entries(event: Event, lane: int, names: _Names) -> tuple[dict[str, int], ...]:
    """Kept as a tuple, so that an entry that stands twice in an event is not lost in a set."""
    return tuple(
        {
            "seq": entry[2],
            "slot": entry[1],
            "job": names.of("job", entry[3]),
            "lease": entry[4],
            "attempt": entry[5],
            "from": entry[6] if len(entry) > _FROM else 0,
        }
        for entry in event.get("entries", ())
        if entry[0] == lane
    )


_FROM: Final = 6


def _items(event: Event, lane: int, names: _Names, *keys: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "token": names.of("token", item["token"]),
            "part": item["part"],
            **{key: _set(item[key], names.top) for key in keys},
        }
        for item in event["items"]
        if item["lane"] == lane
    )


def _ensure_lane(_event: Event, _lane: int, _names: _Names) -> dict[str, Any]:
    return {"a": "ensure_lane"}


def _append(event: Event, lane: int, names: _Names) -> dict[str, Any]:
    return {"a": event["a"], "new": _entries(event, lane, names)}


def _worker(event: Event, _lane: int, names: _Names) -> dict[str, Any]:
    return {
        "a": event["a"],
        "worker": names.of("worker", event["worker"]),
        "answer": event["answer"],
    }


def _heartbeat(event: Event, lane: int, names: _Names) -> dict[str, Any]:
    return {
        **_worker(event, lane, names),
        "upto": names.calls[event["upto"]],
        "named": names.named(event["open"]),
        "items": _items(event, lane, names, "settled"),
        "new": _entries(event, lane, names),
    }


def _claim(event: Event, lane: int, names: _Names) -> dict[str, Any]:
    after = next((state for state in event["lanes"] if state["lane"] == lane), None)
    return {
        "a": "claim",
        "worker": names.of("worker", event["worker"]),
        "call": names.calls[event["call"]],
        "token": names.of("token", event["token"]),
        "again": event["again"],
        "rows": tuple(
            {"part": row["part"], "slot": row["slot"], "seqs": _set(row["seqs"])}
            for row in event["rows"]
            if row["lane"] == lane
        ),
        "after": {
            "no": after["no"] if after else 0,
            "next": after["next"] if after else 0,
            "holes": _set(after["holes"]) if after else frozenset(),
        },
    }


def _settle(event: Event, lane: int, names: _Names) -> dict[str, Any]:
    return {
        "a": event["a"],
        "settle": names.of("settle", event["settle"]),
        "items": _items(event, lane, names, "asked", "settled", "already", "stale"),
        "new": _entries(event, lane, names),
    }


def _census(event: Event, _lane: int, names: _Names) -> dict[str, Any]:
    return {
        "a": "census",
        "no": event["no"],
        "next": event["next"],
        "holes": _set(event["holes"]),
        "entries": frozenset(
            (slot, seq, names.of("job", job), lease, attempt)
            for slot, seq, job, lease, attempt in event["entries"]
        ),
        "claims": frozenset(
            (slot, names.of("token", token), part, _set(seqs))
            for slot, token, part, seqs in event["claims"]
        ),
        "closures": frozenset(
            (slot, names.of("token", token), part, _set(seqs), outcome)
            for slot, token, part, seqs, outcome in event["closures"]
        ),
        "closed": len(event["closures"]),
    }


_PROJECT: Final[dict[str, Callable[[Event, int, _Names], dict[str, Any]]]] = {
    "ensure_lane": _ensure_lane,
    "enqueue": _append,
    "enqueue_many": _append,
    "worker_start": _worker,
    "worker_stop": _worker,
    "heartbeat": _heartbeat,
    "claim": _claim,
    "complete": _settle,
    "release": _settle,
    "census": _census,
}
