"""What workers told of themselves, joined with what the database recorded, as one trace.

Each worker's events are in their own order, and so are the database's. Where they speak of one call
they are tied: a claim is executed after it was sent, and answered after it was executed; the same
with settles and beats. Any order that keeps to this is as good as another, because no step of one
side sees more of the other than a call and its answer. Here the database goes first where it can.

Where no such order exists the events are put in any, and the specification refuses it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from awa._runtime.events import WorkerEvent
from correctness.merging import Event, Need, Step, merged
from correctness.traces import Recorded
from correctness.worker_names import Attempt, Names, numbers_of

_SETTLES: Final = {"complete", "retry", "snooze", "fail", "cancel_running", "release"}
_DONE: Final = {"settled", "already", "failed", "dead_lettered"}
_NAMED_BY: Final = {"taken": 2, "attempts": 3, "answers": 3, "permits": 1}
"""How many fields of a row name what it is about."""
_LATE: Final = {"stale", "ended"}
_UPPER: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTrace:
    """One joined trace. `said[n]` is the event of the recording that `events[n]` comes from."""

    permits: frozenset[tuple[int, int, int]]
    """Worker, queue, handlers that may run at once when it begins."""
    totals: frozenset[tuple[int, int]]
    """Worker, handlers that all of its queues share."""
    claimers: frozenset[tuple[int, int]]
    """Worker, claim calls that may be unanswered at once."""
    queues: frozenset[tuple[int, int, int]]
    """Job, run, queue: of each attempt that a worker was told of."""
    events: tuple[dict[str, Any], ...]
    said: tuple[Event, ...]


def name_of(kind: type[WorkerEvent]) -> str:
    """Answer the name of a kind of event, as the specification has it."""
    return _UPPER.sub("_", kind.__name__).lower()


def as_line(event: WorkerEvent) -> dict[str, Any]:
    """Write an event of a worker as a dictionary; `a` is its name."""
    return {"a": name_of(type(event)), **asdict(event)}


def write_recording(path: Path, recorded: Sequence[Recorded], told: Sequence[Event]) -> None:
    """Write what `read_recording` reads: a line for each event, the database's first."""
    lines = [{"by": "database", **one.event} for one in recorded if one.event["a"] != "census"]
    lines += [{"by": "worker", **event} for event in told]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_recording(path: Path) -> tuple[list[Recorded], list[Event]]:
    """Read what a database recorded and what its workers told."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    recorded = [
        Recorded(transaction=number, event=line)
        for number, line in enumerate(lines)
        if line["by"] == "database"
    ]
    return recorded, [line for line in lines if line["by"] == "worker"]


def join(recorded: Sequence[Recorded], told: Sequence[Event]) -> WorkerTrace:
    """Make one trace of a database's recording and of what its workers told."""
    names = Names(recorded, told)
    by_worker: dict[int, list[Event]] = defaultdict(list)
    for event in told:
        by_worker[event["worker"]].append(event)
    lines = [
        [_told(event, names) for event in _said_once(_until_crash(events))]
        for events in by_worker.values()
    ]
    steps = merged([list(_recorded(recorded, names)), *lines])
    return WorkerTrace(
        permits=frozenset(
            (names.worker[event["worker"]], names.queue(queue), permits)
            for event in told
            if event["a"] == "began"
            for queue, permits in event["permits"]
        ),
        totals=frozenset(
            (names.worker[event["worker"]], event["total"])
            for event in told
            if event["a"] == "began" and event.get("total") is not None
        ),
        claimers=frozenset(
            (names.worker[event["worker"]], event.get("claimers", 1))
            for event in told
            if event["a"] == "began"
        ),
        queues=frozenset((*attempt, queue) for attempt, queue in names.queues.items()),
        events=tuple(step.event for step in steps),
        said=tuple(step.said for step in steps),
    )


def _atts(attempts: Iterable[Attempt | None]) -> frozenset[Attempt]:
    return frozenset(attempt for attempt in attempts if attempt is not None)


# What the database recorded ----------------------------------------------------------------------


def _recorded(recorded: Sequence[Recorded], names: Names) -> Iterator[Step]:
    for one in recorded:
        event = one.event
        match event["a"]:
            case "worker_start" | "worker_stop" | "claim" | "heartbeat" | "rescue_worker":
                if event["worker"] in names.worker:
                    yield from _of_worker(event, names)
            case "rescue_deadline":
                yield from _elsewhere(event, _settled(event, names))
            case action if action in _SETTLES:
                yield from _settle(event, names)


def _of_worker(event: Event, names: Names) -> Iterator[Step]:
    worker = names.worker[event["worker"]]
    plain = {"a": event["a"], "worker": worker}
    ended = _settled(event, names)
    gives = frozenset[Need](("ended", *attempt) for attempt in ended)
    match event["a"], event.get("answer"):
        case "worker_start", "started":
            yield Step(said=event, event=plain, gives=frozenset({("started", worker)}))
        case "worker_stop", "stopped":
            left = frozenset({("left", worker)})
            gone = frozenset({("gone", worker)})
            yield Step(said=event, event=plain, needs=left, gives=gone)
        case "claim", _:
            yield from _claim(event, plain, names)
        case "heartbeat", "alive":
            beat = _beat_key(event, numbers_of(event["open"]))
            n = names.beats[beat].pop(0) if names.beats[beat] else 0
            record = {"worker": worker, "n": n, **_beat_lists(event, names, beat[-1])}
            step = {"a": "heartbeat", "beat": record, "atts": _atts(ended)}
            yield Step(said=event, event=step, needs=frozenset({("beat", n)}), gives=gives)
        case "rescue_worker", "gone":
            gives |= {("gone", worker)}
            yield Step(said=event, event={**plain, "atts": _atts(ended)}, gives=gives)


def _claim(event: Event, plain: dict[str, Any], names: Names) -> Iterator[Step]:
    if event["again"]:
        return
    token = event["token"]
    took = [
        names.attempt(token, row["part"], seq)
        for row in event["rows"]
        for seq in numbers_of(row["seqs"])
    ]
    number = names.executed(event)
    yield Step(
        said=event,
        event={**plain, "token": number, "took": _atts(took)},
        needs=frozenset({("asked", number)}),
        gives=frozenset({("claimed", number)}),
    )


def _settled(event: Event, names: Names) -> list[Attempt]:
    pairs = (
        names.attempt(item["token"], item["part"], seq)
        for item in event.get("items") or ()
        for seq in numbers_of(item["settled"])
    )
    return [pair for pair in pairs if pair is not None]


def _settle(event: Event, names: Names) -> Iterator[Step]:
    ended = _settled(event, names)
    number = names.settle.get(event["settle"], 0)
    if not number and event["worker"] not in names.worker:
        yield from _elsewhere(event, ended)
        return
    yield Step(
        said=event,
        event={"a": "settle", "id": number, "how": event["a"], "atts": _atts(ended)},
        needs=frozenset({("flushed", number)}),
        gives=frozenset(("ended", *pair) for pair in ended),
    )


def _elsewhere(event: Event, ended: list[Attempt]) -> Iterator[Step]:
    if ended:
        yield Step(
            said=event,
            event={"a": "end_elsewhere", "atts": _atts(ended)},
            gives=frozenset(("ended", *pair) for pair in ended),
        )


def _beat_key(event: Event, named: Sequence[int]) -> Need:
    return event["worker"], event["beat"], event["upto"], tuple(named)


def _beat_lists(event: Event, names: Names, named: Sequence[int]) -> dict[str, Any]:
    def token(call: int) -> int:
        return names.call.get((event["worker"], call), 0)

    return {"upto": token(event["upto"]), "named": frozenset(map(token, named))}


# What a worker told ------------------------------------------------------------------------------


def _until_crash(events: list[Event]) -> list[Event]:
    """A worker that was ended from outside interrupts its handlers; no one hears of it any more."""
    if events[-1]["a"] != "crashed":
        return events
    running: set[tuple[int, ...]] = set()
    for place, event in enumerate(events):
        match event["a"]:
            case "drained" | "handlers_cut":
                return events
            case "closed":
                return [*events[:place], events[-1]]
            case "started":
                running.add(tuple(event["attempt"]))
            case "ended":
                interrupted = event["how"] == "release" and tuple(event["attempt"]) in running
                if interrupted:
                    return [*events[:place], events[-1]]
                running.discard(tuple(event["attempt"]))
    return events


def _said_once(events: list[Event]) -> Iterator[Event]:
    """What says a thing again, a call or a row, is under a name that no step of a worker has."""
    last_call = 0
    for event in events:
        again = _repeats(event) or event.get("call", last_call + 1) <= last_call
        last_call = event.get("call", last_call)
        yield {**event, "a": f"{event['a']}_again"} if again else event


def _repeats(event: Event) -> bool:
    """Whether it has two rows about one thing, which a set would not show."""
    return any(
        len({tuple(row[:keys]) for row in event[key]}) < len(event[key])
        for key, keys in _NAMED_BY.items()
        if isinstance(event.get(key), (list, tuple))
    )


def _told(event: Event, names: Names) -> Step:
    worker = names.worker.get(event["worker"], 0)
    # What is said before its worker began is no step of any worker.
    plain = {"a": event["a"] if worker else "said_by_nobody", "worker": worker}
    match event["a"]:
        case "claim_sent" | "claim_answered":
            return _told_claim(event, plain, names)
        case "flush_sent" | "flush_answered" | "flush_refused":
            return _told_flush(event, plain, names)
        case "beat_sent":
            return _told_beat(event, plain, names)
        case "commit_sent" | "commit_answered":
            return _told_commit(event, plain, names)
    if "attempt" not in event:
        return _told_life(event, plain, names)
    job, run = names.own(*event["attempt"])
    how = {"how": event["how"]} if "how" in event else {}
    needs = frozenset({("ended", job, run)}) if event["a"] == "told" else frozenset[Need]()
    return Step(said=event, event={**plain, "job": job, "run": run, **how}, needs=needs)


def _told_life(event: Event, plain: dict[str, Any], names: Names) -> Step:
    """Where a worker is in its life, and how many handlers it may run."""
    if event["a"] == "permitted":
        permitted = {"queue": names.queue(event["queue"]), "permits": event["permits"]}
        return Step(said=event, event={**plain, **permitted})
    needed: dict[str, Need] = {
        "began": ("started", plain["worker"]),
        "gone": ("gone", plain["worker"]),
    }
    needs = frozenset({needed[event["a"]]}) if event["a"] in needed else frozenset[Need]()
    if event["a"] != "left":
        return Step(said=event, event=plain, needs=needs)
    gives = frozenset[Need]({("left", plain["worker"])})
    return Step(said=event, event={**plain, "dropped": event["dropped"]}, gives=gives)


def _told_claim(event: Event, plain: dict[str, Any], names: Names) -> Step:
    token = names.token.get(event["token"], 0)
    if event["a"] == "claim_sent":
        sent = {**plain, "token": token, "limit": event["limit"]}
        return Step(said=event, event=sent, gives=frozenset({("asked", token)}))
    took = [names.said(event["token"], row) for row in event["taken"]]
    return Step(
        said=event,
        event={**plain, "token": token, "took": _atts(took)},
        needs=frozenset({("claimed", token)}) if took else frozenset(),
    )


def _told_flush(event: Event, plain: dict[str, Any], names: Names) -> Step:
    plain["id"] = names.settle.get(event["settle"], 0)
    match event["a"]:
        case "flush_sent":
            atts = frozenset(names.own(*receipt) for receipt in event["attempts"])
            gives = frozenset({("flushed", plain["id"])})
            sent = {**plain, "how": event["how"], "atts": atts}
            return Step(said=event, event=sent, gives=gives)
        case "flush_answered":
            said = [(names.own(*receipt), answer) for *receipt, answer in event["answers"]]
            done = [pair for pair, answer in said if answer in _DONE]
            late = [pair for pair, answer in said if answer in _LATE]
            return Step(
                said=event,
                event={**plain, "done": _atts(done), "late": _atts(late)},
                needs=frozenset(("ended", *pair) for pair in (*done, *late)),
            )
    return Step(said=event, event=plain)


def _told_commit(event: Event, plain: dict[str, Any], names: Names) -> Step:
    job, run = names.own(*event["attempt"])
    number = names.settle.get(event["settle"], 0)
    plain |= {"job": job, "run": run, "id": number}
    if event["a"] == "commit_sent":
        return Step(said=event, event=plain, gives=frozenset({("flushed", number)}))
    needs = frozenset({("ended", job, run)}) if event["done"] else frozenset[Need]()
    return Step(said=event, event={**plain, "done": event["done"]}, needs=needs)


def _told_beat(event: Event, plain: dict[str, Any], names: Names) -> Step:
    n = 1 + sum(map(len, names.beats.values()))
    names.beats[_beat_key(event, sorted(event["named"]))].append(n)
    sent = {**plain, "n": n, **_beat_lists(event, names, event["named"])}
    return Step(said=event, event=sent, gives=frozenset({("beat", n)}))
