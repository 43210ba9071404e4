"""The judge without Java: a trace replayed through the Python twin, as StorageTrace does it.

Every event must be allowed in the state the ones before it led to, a census must find that state,
and the invariants hold in each. The reasons are written as TLC writes them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from correctness.model import (
    ACTIONS,
    INVARIANTS,
    Carried,
    Item,
    Lane,
    Leaving,
    More,
    New,
    Nowhere,
    Out,
    Part,
    Refused,
    Said,
    Scope,
    Spoken,
    State,
    Taken,
    Want,
    env_arrive,
    facts,
    start,
)
from correctness.tla_text import to_tla
from correctness.traces import Trace
from correctness.verdicts import INVARIANTS as LOOKED_AT
from correctness.verdicts import LOSSES_MAX, SLOTS, Refusal

Event = dict[str, Any]
Answer = Lane | Refused | str
"""What an event leads to; a text says which field differs."""

_OUT: Final = ("new", "deferred", "finals", "dead")
_MORE: Final = ("new", "deferred", "taken", "finals")


def judge(trace: Trace) -> Refusal | None:
    """Replay one trace; answer where it is refused, or None."""
    scope = _scope(trace)
    lane = replace(
        start(scope),
        born=trace.born,
        ring=trace.ring,
        fly=trace.appear,
        last=max(trace.appear, default=0),
    )
    been: set[tuple[int, str]] = set()
    for place, event in enumerate(trace.events, 1):
        if event["a"] == "told":
            after = _told(lane, event, trace.events[: place - 1], been)
        else:
            after = _after(lane, replace(scope, late_kept=event.get("mid", False)), event, trace)
        why = _why(after) or _broken(lane, after, scope)
        if why:
            return Refusal(event=place, why=why, state=_here(lane))
        assert isinstance(after, Lane)
        lane = after
        been |= {(job, facts(lane).state_of(job)) for job in trace.asked}
    return None


def _told(
    lane: Lane, event: Event, before: tuple[Event, ...], been: set[tuple[int, str]]
) -> Answer:
    """Check what was only answered: it was so once."""
    wrong = _listed_twice(event, "told")
    if wrong is not None:
        return wrong
    acted = {
        job
        for act in before
        if act.get("act") == event["act"] and act["a"] in {event["by"], "arrive"}
        for job in _acted_on(act)
    }
    rows = event["told"]
    holds = {
        "lost": all(row["state"] == "dead" for row in rows if row["answer"] == "duplicate"),
        "acted": all(row["job"] in acted for row in rows if row["answer"] == "already"),
        "seen": all(
            (row["job"], row["state"]) in been for row in rows if row["answer"] != "already"
        ),
    }
    guards = frozenset(name for name, so in holds.items() if not so)
    return Refused(guards=guards) if guards else lane


def _acted_on(act: Event) -> frozenset[int]:
    match act["a"]:
        case "cancel_pending":
            return frozenset(row["job"] for row in act["taken"])
        case "arrive":
            return frozenset(row["job"] for row in (*act["new"], *act["deferred"]))
        case _:
            found: frozenset[int] = act["jobs"]
            return found


def _scope(trace: Trace) -> Scope:
    jobs = {row["job"] for event in trace.events for row in _rows(event) if "job" in row}
    return Scope(
        jobs=frozenset(jobs),
        slots=frozenset(range(SLOTS)),
        loss_max=LOSSES_MAX,
        bounds=trace.bounds,
    )


def _rows(event: Event) -> Iterator[Event]:
    lists = (of for of in event.values() if isinstance(of, tuple))
    return (row for rows in lists for row in rows if isinstance(row, dict))


def _why(after: Answer) -> str | None:
    match after:
        case Refused(guards=guards):
            return to_tla(("guard", guards))
        case str():
            return after
    return None


def _broken(before: Lane, after: Answer, scope: Scope) -> str | None:
    """The first invariant that a new state breaks."""
    if after is before or not isinstance(after, Lane):
        return None
    seen = facts(after)
    broken = (name for name in LOOKED_AT if not INVARIANTS[name](seen, scope))
    return next((f"invariant {name}" for name in broken), None)


def _here(lane: Lane) -> str:
    names = (
        "no next holes late claims closures workers deferred finals dead withdrawn ring floor notes"
    )
    state = {name: getattr(lane, name) for name in names.split()}
    return to_tla({**state, "pending": facts(lane).pending})


def _after(lane: Lane, scope: Scope, event: Event, trace: Trace) -> Answer:
    action = event["a"]
    if action == "census":
        return _census(lane, event)
    if action not in _CALLS:
        return to_tla(("unknown action", action))
    lists, arguments = _CALLS[action]
    twice = next((wrong for field in lists if (wrong := _listed_twice(event, field))), None)
    if twice is not None:
        return twice
    step = ACTIONS.get(action, env_arrive)
    try:
        return step(lane, scope, *arguments(_Said(event, lane, trace)))
    except Nowhere as number:
        return f"no entry has the number {number}"


def _same(field: str, logged: object, spec: object) -> str | None:
    same = logged == spec
    return None if same else to_tla(("field", field, "logged", logged, "spec", spec))


def _listed_twice(event: Event, field: str) -> str | None:
    """What is logged as a list must not have an element twice."""
    listed = event[field]
    different = [row for place, row in enumerate(listed) if row not in listed[:place]]
    return _same(field, len(listed), len(different))


def _census(lane: Lane, event: Event) -> Answer:
    seen = facts(lane)
    found: dict[str, object] = {
        "no": lane.no,
        "next": lane.next,
        "holes": lane.holes,
        "entries": frozenset(
            (x.slot, x.seq, x.job, x.lease, x.attempt, x.losses) for x in lane.entries
        ),
        "claims": frozenset((r.slot, r.token, r.part, r.seqs) for r in lane.claims),
        "closures": frozenset(
            (seen.entry_of(min(c.seqs)).slot, c.token, c.part, c.seqs, c.outcome)
            for c in lane.closures
        ),
        "closed": len(lane.closures),
        "withdrawn": frozenset((seen.entry_of(s).slot, s) for s in lane.withdrawn),
        "deferred": frozenset(map(tuple, lane.deferred)),
        "finals": frozenset(map(tuple, lane.finals)),
        "dead": frozenset(map(tuple, lane.dead)),
        "progress": seen.progress,
    }
    called = {"closed": "closures in all"}
    wrong = (_same(called.get(field, field), event[field], spec) for field, spec in found.items())
    return next((why for why in wrong if why), lane)


class _Said:
    """An event's fields as the arguments of actions."""

    def __init__(self, event: Event, lane: Lane, trace: Trace) -> None:
        self._event: Final = event
        self._lane: Final = lane
        self._trace: Final = trace

    def __getitem__(self, field: str) -> Any:
        return self._event[field]

    @property
    def new(self) -> frozenset[New]:
        """Entries that are appended."""
        return frozenset(New(**_renamed(row)) for row in self["new"])

    def leaving(self, field: str) -> frozenset[Leaving]:
        """Rows that wait or end; a dead letter is logged without the state that it ended in."""
        return frozenset(Leaving(**{"state": "failed", **_renamed(row)}) for row in self[field])

    @property
    def out(self) -> Out:
        """What became of closed attempts, or of jobs that came."""
        return Out(self.new, *(self.leaving(field) for field in _OUT[1:]))

    @property
    def taken(self) -> frozenset[Taken]:
        """Jobs that are taken out."""
        return frozenset(Taken(**_renamed(row)) for row in self["taken"])

    @property
    def more(self) -> More:
        """What an enqueue writes beside its entries; which job wants a key is known beforehand."""
        deferred = self.leaving("deferred")
        came = {row.job for row in self.new} | {row.job for row in deferred}
        wants = (Want(*want) for want in self._trace.wants if want[0] in came)
        return More(deferred, self.taken, self.leaving("finals"), frozenset(wants))

    @property
    def items(self) -> frozenset[Item]:
        """Receipts and what is closed under them."""
        return frozenset(Item(**row) for row in self["items"])

    @property
    def parts(self) -> frozenset[Part]:
        """Claims rows of a claim."""
        return frozenset(Part(**row) for row in self["rows"])

    @property
    def carried(self) -> frozenset[Carried]:
        """Claims rows of an evacuation."""
        return frozenset(Carried(**row) for row in self["rows"])

    @property
    def spoken(self) -> frozenset[Spoken]:
        """What attempts say of their progress."""
        return frozenset(Spoken(**row) for row in self["notes"])

    @property
    def said(self) -> frozenset[Said]:
        """The progress of jobs that come from another lane."""
        return frozenset(Said(**row) for row in self["said"])

    @property
    def floor(self) -> State:
        """The state that prune saved, or that is there."""
        return State(**self["floor"][0]) if self["floor"] else self._lane.floor


def _renamed(row: Event) -> Event:
    return {("from_" if field == "from" else field): of for field, of in row.items()}


Arguments = Callable[[_Said], Iterable[object]]


def _settle(said: _Said) -> Iterable[object]:
    return said["settle"], said.items, said.out


def _worker(said: _Said) -> Iterable[object]:
    return said["worker"], said["answer"]


def _claim(said: _Said) -> Iterable[object]:
    after = State(**said["after"])
    return said["worker"], said["call"], said["token"], said.parts, after, said["again"]


def _heartbeat(said: _Said) -> Iterable[object]:
    who = said["worker"], said["upto"], said["named"], said["answer"]
    return *who, said.items, said.out


_CALLS: Final[dict[str, tuple[tuple[str, ...], Arguments]]] = {
    "ensure_lane": ((), lambda _: ()),
    "enqueue": (_MORE, lambda said: (said.new, said.more)),
    "enqueue_many": (_MORE, lambda said: (said.new, said.more)),
    "worker_start": ((), _worker),
    "worker_stop": ((), _worker),
    "heartbeat": (("items", *_OUT), _heartbeat),
    "claim": (("rows",), _claim),
    "complete": (("items",), lambda said: (said["settle"], said.items)),
    "release": (("items", *_OUT), lambda said: (said["settle"], said.items, said.new)),
    **dict.fromkeys(("retry", "snooze", "fail", "cancel_running"), (("items", *_OUT), _settle)),
    "rescue_worker": (
        ("items", *_OUT),
        lambda said: (said["worker"], said["answer"], said.items, said.out),
    ),
    "rescue_deadline": (("items", *_OUT), lambda said: (said.items, said.out)),
    "note_progress": (("notes",), lambda said: (said.spoken,)),
    "promote": (("new",), lambda said: (said.new,)),
    "cancel_pending": (
        ("taken", "finals"),
        lambda said: (said.taken, said.leaving("finals")),
    ),
    "dlq_move": (("dead",), lambda said: (said["jobs"], said.leaving("dead"))),
    "dlq_retry": (
        (*_OUT, "said"),
        lambda said: (said["jobs"], said.out, said["elsewhere"], said.said),
    ),
    "arrive": ((*_OUT, "said"), lambda said: (said.out, said.said)),
    "dlq_purge": ((), lambda said: (said["jobs"],)),
    "retire": ((), lambda said: (said["ends"], said["letters"])),
    "rotate": ((), lambda said: (said["from"], said["slot"])),
    "prune": (
        ("new",),
        lambda said: (said["slot"], said.floor, said.new, said["answer"] == "pruned"),
    ),
    "evacuate": (
        ("rows",),
        lambda said: (said["from"], said["slot"], said["moved"], said.carried),
    ),
}
"""Each event: its lists, and the arguments of its action."""
