"""Events as one lane sees them: the arguments that the actions of Storage are called with.

A projection answers the trace events that an event is for one lane: one, and sometimes more. Jobs,
tokens, workers and settle ids become 1, 2, 3 in the order of their first appearance.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

from correctness.naming import Event, Names, numbers_of

Projected = dict[str, Any]

_BY_LANE: Final = (
    "entries",
    "deferred",
    "finals",
    "dead",
    "replaced",
    "withdrawn",
    "undeferred",
    "jobs",
    "moved",
    "floors",
    "told",
    "notes",
    "said",
)
"""Lists of an event whose elements are lists that begin with a lane."""
_SCHEDULED: Final = {"enqueue", "enqueue_many", "snooze", "dlq_retry"}
"""Actions whose deferred rows say `scheduled`; those of all others say `retryable`."""


_SETS: Final[dict[str, tuple[str, ...]]] = {
    "claim": ("lanes",),
    "dlq_move": ("jobs",),
    "dlq_retry": ("jobs",),
    "dlq_purge": ("jobs",),
    "retire": ("finals", "dead"),
    "prune": ("floors",),
    "evacuate": ("moved",),
    "census": (
        *("entries", "claims", "withdrawn", "deferred", "finals", "dead", "bounds", "unique"),
        "progress",
    ),
}
"""Lists that a projection reads as sets, so that what stands twice in them would be lost."""


def refuse_repeats(event: Event) -> None:
    """Raise ValueError when a list of an event, read as a set, says something twice."""
    for key in _SETS.get(event["a"], ()):
        rows = event.get(key) or ()
        again = next((row for place, row in enumerate(rows) if row in rows[:place]), None)
        if again is not None:
            raise ValueError(f"{event['a']} has {again} twice in {key}")
    if event["a"] == "census":
        numbers = [
            (slot, seq) for slot, seqs in event.get("withdrawn") or () for seq in numbers_of(seqs)
        ]
        if len(numbers) > len(set(numbers)):
            raise ValueError("census has a number twice in withdrawn")


def lanes_of(event: Event) -> set[int]:
    """Answer the lanes that an event speaks of."""
    lanes = {event["lane"]} if "lane" in event else set()
    if event["a"] == "census":
        return lanes
    lanes |= {element[0] for key in _BY_LANE for element in event.get(key) or ()}
    for key in ("rows", "items"):
        lanes |= {x["lane"] if isinstance(x, dict) else x[0] for x in event.get(key) or ()}
    return lanes


def appearing(event: Event, lane: int) -> Iterator[int]:
    """Answer the numbers that appear in a lane with this event."""
    if event["a"] != "census":
        yield from (entry[2] for entry in event.get("entries") or () if entry[0] == lane)


def _of_lane(event: Event, key: str, lane: int) -> Iterator[list[Any]]:
    return (element for element in event.get(key) or () if element[0] == lane)


def _jobs(event: Event, key: str, lane: int, names: Names) -> frozenset[int]:
    return frozenset(names.of("job", element[1]) for element in _of_lane(event, key, lane))


def _entries(event: Event, lane: int, names: Names) -> tuple[Projected, ...]:
    """Kept as a tuple, as all lists are, so that what stands twice in an event is not lost."""
    return tuple(
        {
            "seq": seq,
            "slot": slot,
            "job": names.of("job", job),
            "lease": lease,
            "attempt": attempt,
            "from": after[0] if after else 0,
        }
        for _, slot, seq, job, lease, attempt, *after in _of_lane(event, "entries", lane)
    )


def _row(element: list[Any], names: Names) -> Projected:
    _, job, lease, attempt, losses, after = element[:6]
    return {
        "job": names.of("job", job),
        "lease": lease,
        "attempt": attempt,
        "losses": losses,
        "from": after or 0,
    }


def _leavings(event: Event, lane: int, names: Names) -> Projected:
    """What closed attempts became: entries, rows that wait, final rows, dead letters."""
    waits = "scheduled" if event["a"] in _SCHEDULED else "retryable"
    return {
        "new": _entries(event, lane, names),
        "deferred": tuple(
            {**_row(element, names), "state": waits}
            for element in _of_lane(event, "deferred", lane)
        ),
        "finals": tuple(
            {**_row(element, names), "state": element[6]}
            for element in _of_lane(event, "finals", lane)
        ),
        "dead": tuple(_row(element, names) for element in _of_lane(event, "dead", lane)),
    }


def _items(event: Event, lane: int, names: Names, *keys: str) -> tuple[Projected, ...]:
    return tuple(
        {
            "token": names.of("token", item["token"]),
            "part": item["part"],
            **{key: numbers_of(item[key], names.top) for key in keys},
        }
        for item in event["items"]
        if item["lane"] == lane
    )


def _ensure_lane(_event: Event, _lane: int, _names: Names) -> list[Projected]:
    return [{"a": "ensure_lane"}]


def _append(event: Event, lane: int, names: Names) -> list[Projected]:
    taken = tuple(
        {"job": names.of("job", job), "from": after or 0}
        for _, job, after in _of_lane(event, "replaced", lane)
    )
    leavings = _leavings(event, lane, names)
    del leavings["dead"]
    return [{"a": event["a"], **leavings, "taken": taken}]


def _worker(event: Event, _lane: int, names: Names) -> list[Projected]:
    worker = names.of("worker", event["worker"])
    return [{"a": event["a"], "worker": worker, "answer": event["answer"]}]


def _heartbeat(event: Event, lane: int, names: Names) -> list[Projected]:
    (rescue,) = _rescue_worker(event, lane, names)
    calls = {"upto": names.calls[event["upto"]], "named": names.named(event["open"])}
    return [{**rescue, **calls}]


def _rescue_worker(event: Event, lane: int, names: Names) -> list[Projected]:
    (worker,) = _worker(event, lane, names)
    (rescue,) = _rescue(event, lane, names)
    return [{**worker, **rescue}]


def _rescue(event: Event, lane: int, names: Names) -> list[Projected]:
    for said in _items(event, lane, names, "asked", "settled", "already", "stale"):
        # Storage is told of what was closed; that the rest was not forgotten is seen here.
        settled, stale = said["settled"], said["stale"]
        if said["already"] or settled & stale or settled | stale != said["asked"]:
            raise ValueError(f"{event['a']} asks for {said['asked']} and answers {said}")
    items = _items(event, lane, names, "settled")
    return [{"a": event["a"], "items": items, **_leavings(event, lane, names)}]


def _claim(event: Event, lane: int, names: Names) -> list[Projected]:
    after = next((state for state in event["lanes"] if state["lane"] == lane), None)
    return [
        {
            "a": "claim",
            "worker": names.of("worker", event["worker"]),
            "call": names.calls[event["call"]],
            "token": names.of("token", event["token"]),
            "again": event["again"],
            "rows": tuple(
                {"part": row["part"], "slot": row["slot"], "seqs": numbers_of(row["seqs"])}
                for row in event["rows"]
                if row["lane"] == lane
            ),
            "after": {
                "no": after["no"] if after else 0,
                "next": after["next"] if after else 0,
                "holes": numbers_of(after["holes"]) if after else frozenset(),
            },
        }
    ]


def _settle(event: Event, lane: int, names: Names) -> list[Projected]:
    return [
        {
            "a": event["a"],
            "settle": names.of("settle", event["settle"]),
            "items": _items(event, lane, names, "asked", "settled", "already", "stale"),
            **_leavings(event, lane, names),
        }
    ]


def _said(text: str, names: Names) -> int:
    """A small number for what was said, of which an event has a print."""
    return names.of("said", int(text, 16))


def _note_progress(event: Event, lane: int, names: Names) -> list[Projected]:
    notes = tuple(
        {
            "token": names.of("token", token),
            "part": part,
            "seq": seq,
            "note": note,
            "said": _said(said, names),
            "answer": answer,
        }
        for _, token, part, seq, note, said, answer in _of_lane(event, "notes", lane)
    )
    return [{"a": "note_progress", "notes": notes}]


def _promote(event: Event, lane: int, names: Names) -> list[Projected]:
    return [{"a": "promote", "new": _entries(event, lane, names)}]


def _cancel_pending(event: Event, lane: int, names: Names) -> list[Projected]:
    taken = [(seq, job) for _, _, seq, job in _of_lane(event, "withdrawn", lane)]
    taken += [(0, job) for _, job in _of_lane(event, "undeferred", lane)]
    return [
        {
            "a": "cancel_pending",
            "act": names.of("act", event.get("settle", 0)),
            "taken": tuple({"job": names.of("job", job), "from": seq} for seq, job in taken),
            "finals": _leavings(event, lane, names)["finals"],
        }
    ]


def _act(event: Event, lane: int, names: Names) -> Projected:
    jobs = _jobs(event, "jobs", lane, names)
    return {"jobs": jobs, "act": names.of("act", event.get("settle", 0))}


def _dlq_move(event: Event, lane: int, names: Names) -> list[Projected]:
    dead = _leavings(event, lane, names)["dead"]
    return [{"a": "dlq_move", **_act(event, lane, names), "dead": dead}]


def _progress_of(
    rows: Iterable[list[Any]], jobs: Collection[int], names: Names
) -> tuple[Projected, ...]:
    """What these jobs take with them to another lane."""
    told = ((names.of("job", job), said) for _, job, said in rows)
    return tuple({"job": job, "said": _said(said, names)} for job, said in told if job in jobs)


def _dlq_retry(event: Event, lane: int, names: Names) -> list[Projected]:
    """Letters of this lane that return, leave it, and those of other lanes that arrive in it."""
    act = _act(event, lane, names)
    jobs = act["jobs"]
    leavings = _leavings(event, lane, names)
    back = {key: tuple(x for x in rows if x["job"] in jobs) for key, rows in leavings.items()}
    come = {key: tuple(x for x in rows if x["job"] not in jobs) for key, rows in leavings.items()}
    elsewhere = jobs - {x["job"] for rows in back.values() for x in rows}
    projected: list[Projected] = []
    if jobs:
        said = _progress_of(event["said"], elsewhere, names)
        projected.append({"a": "dlq_retry", **act, **back, "elsewhere": elsewhere, "said": said})
    if any(come.values()):
        arriving = {x["job"] for rows in come.values() for x in rows}
        said = _progress_of(_of_lane(event, "said", lane), arriving, names)
        projected.append({"a": "arrive", "act": act["act"], **come, "said": said})
    return projected


def _dlq_purge(event: Event, lane: int, names: Names) -> list[Projected]:
    return [{"a": "dlq_purge", **_act(event, lane, names)}]


def _retire(event: Event, lane: int, names: Names) -> list[Projected]:
    ends = _jobs(event, "finals", lane, names)
    return [{"a": "retire", "ends": ends, "letters": _jobs(event, "dead", lane, names)}]


def _rotate(event: Event, _lane: int, _names: Names) -> list[Projected]:
    return [{"a": "rotate", "from": event["from"], "slot": event["slot"]}]


def _prune(event: Event, lane: int, names: Names) -> list[Projected]:
    floor = tuple(
        {"no": no, "next": following, "holes": numbers_of(holes)}
        for _, no, following, holes in _of_lane(event, "floors", lane)
    )
    plain = {"a": "prune", "slot": event["slot"], "answer": event["answer"]}
    return [{**plain, "floor": floor, "new": _entries(event, lane, names)}]


def _evacuate(event: Event, lane: int, names: Names) -> list[Projected]:
    return [
        {
            "a": "evacuate",
            "from": event["from"],
            "slot": event["slot"],
            "moved": frozenset(seq for _, seq in _of_lane(event, "moved", lane)),
            "rows": tuple(
                {"token": names.of("token", token), "part": part, "seqs": numbers_of(seqs)}
                for _, token, part, seqs in _of_lane(event, "rows", lane)
            ),
        }
    ]


def _census(event: Event, _lane: int, names: Names) -> list[Projected]:
    def rows(key: str) -> frozenset[tuple[Any, ...]]:
        return frozenset((names.of("job", job), *rest) for job, *rest in event[key])

    return [
        {
            "a": "census",
            "no": event["no"],
            "next": event["next"],
            "holes": numbers_of(event["holes"]),
            "entries": frozenset(
                (slot, seq, names.of("job", job), *rest)
                for slot, seq, job, *rest in event["entries"]
            ),
            "claims": frozenset(
                (slot, names.of("token", token), part, numbers_of(seqs))
                for slot, token, part, seqs in event["claims"]
            ),
            "closures": frozenset(
                (slot, names.of("token", token), part, numbers_of(seqs), outcome)
                for slot, token, part, seqs, outcome in event["closures"]
            ),
            "closed": len(event["closures"]),
            "withdrawn": frozenset(
                (slot, seq) for slot, seqs in event["withdrawn"] for seq in numbers_of(seqs)
            ),
            "deferred": rows("deferred"),
            "finals": rows("finals"),
            "dead": rows("dead"),
            "progress": frozenset(
                (names.of("job", job), _said(said, names)) for job, said in event["progress"]
            ),
        }
    ]


PROJECT: Final[dict[str, Callable[[Event, int, Names], list[Projected]]]] = {
    "ensure_lane": _ensure_lane,
    "enqueue": _append,
    "enqueue_many": _append,
    "worker_start": _worker,
    "worker_stop": _worker,
    "heartbeat": _heartbeat,
    "claim": _claim,
    **dict.fromkeys(("complete", "release", "retry", "snooze", "fail", "cancel_running"), _settle),
    "rescue_worker": _rescue_worker,
    "rescue_deadline": _rescue,
    "note_progress": _note_progress,
    "promote": _promote,
    "cancel_pending": _cancel_pending,
    "dlq_move": _dlq_move,
    "dlq_retry": _dlq_retry,
    "dlq_purge": _dlq_purge,
    "retire": _retire,
    "rotate": _rotate,
    "prune": _prune,
    "evacuate": _evacuate,
    "census": _census,
}
"""One for each event."""
