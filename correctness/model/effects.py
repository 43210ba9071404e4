"""Guards and effects that several actions of Storage share, under the names they have there."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from correctness.model.facts import Facts, Nowhere, facts, union
from correctness.model.state import (
    Carried,
    Closure,
    Entry,
    Item,
    Key,
    Lane,
    Leaving,
    Letter,
    New,
    Out,
    Refused,
    Row,
    Scope,
    Seqs,
    Taken,
    Wait,
    Want,
)

Guards = Mapping[str, Callable[[], bool]]
"""A record of named guards, each asked only when it is looked at."""


def refusal(scope: Scope, *records: Guards) -> Refused | None:
    """All: the false guards of the first record that has some, those switched off aside."""
    for record in records:
        wrong = {name for name, ask in record.items() if name not in scope.off and not _holds(ask)}
        if wrong:
            return Refused(guards=frozenset(wrong))
    return None


def _holds(ask: Callable[[], bool]) -> bool:
    """A guard that speaks of an entry that is not there does not hold."""
    try:
        return ask()
    except Nowhere:
        return False


# What becomes of jobs.


def _rows(out: Out) -> list[New | Leaving]:
    return [*out.new, *out.deferred, *out.finals, *out.dead]


def jobs_in(out: Out) -> frozenset[int]:
    """Answer the jobs an action speaks of."""
    return frozenset(row.job for row in _rows(out))


def how_many(out: Out) -> int:
    """Answer how many entries and rows an action leaves."""
    return len(_rows(out))


def froms(rows: Iterable[New | Leaving | Taken]) -> Seqs:
    """Answer the numbers that rows follow."""
    return frozenset(row.from_ for row in rows)


def append_guards(lane: Lane, new: Collection[New]) -> Guards:
    """AppendG: of every action that appends entries."""
    return {
        "lane_exists": lambda: not new or lane.born,
        "drawn": lambda: all(n.seq in lane.fly for n in new),
        "distinct": lambda: len({n.seq for n in new}) == len(new),
    }


def follow_guards(seen: Facts, out: Out, seqs: Seqs) -> Guards:
    """FollowG: of every action that ends attempts and says what becomes of their jobs."""
    rows = _rows(out)
    kept = (*out.deferred, *out.finals, *out.dead)
    return {
        "followed": lambda: froms(rows) == seqs and len(rows) == len(seqs),
        "same_job": lambda: all(n.job == seen.entry_of(n.from_).job for n in rows),
        "lease_up": lambda: all(n.lease == seen.entry_of(n.from_).lease + 1 for n in out.new),
        "lease_kept": lambda: all(n.lease == seen.entry_of(n.from_).lease for n in kept),
    }


def carry_guards(seen: Facts, out: Out, *, spent: int, loss: int) -> Guards:
    """CarryG: `spent` is 1 when the attempt counts, `loss` when it was lost."""
    ended = (*out.finals, *out.dead)
    return {
        "attempt_back": lambda: all(n.attempt == seen.entry_of(n.from_).attempt for n in out.new),
        "charged": lambda: (
            all(d.attempt == seen.entry_of(d.from_).attempt + spent for d in out.deferred)
            and all(f.attempt == seen.entry_of(f.from_).attempt for f in ended)
        ),
        "counted": lambda: all(
            n.losses == seen.entry_of(n.from_).losses + loss for n in (*out.deferred, *ended)
        ),
    }


class Places(NamedTuple):
    """Where jobs may go: again or waiting, in which states; to their end, and as what."""

    again: Callable[[], Seqs]
    waits: frozenset[str]
    ends: Callable[[], Seqs]
    ends_as: str


def place_guards(out: Out, places: Places) -> Guards:
    """PlaceG: where the jobs may go."""
    return {
        "again_at": lambda: froms(out.new) <= places.again(),
        "waits_as": lambda: all(
            d.from_ in places.again() and d.state in places.waits for d in out.deferred
        ),
        "ends_as": lambda: all(
            f.from_ in places.ends() and f.state == places.ends_as for f in out.finals
        ),
        "dies_as": lambda: all(
            d.from_ in places.ends() and places.ends_as == "failed" for d in out.dead
        ),
    }


def losses_before(seen: Facts, new: New) -> int:
    """Answer how often the job was lost before this entry."""
    if new.from_:
        return seen.entry_of(new.from_).losses
    waits = seen.waits_of(new.job)
    return min(waits).losses if waits else 0


def entries_for(seen: Facts, new: Iterable[New], loss: int) -> frozenset[Entry]:
    """Answer the entries that are appended."""
    return frozenset(
        Entry(n.seq, n.slot, n.job, n.lease, n.attempt, losses_before(seen, n) + loss) for n in new
    )


def appending(seen: Facts, new: Iterable[New], loss: int = 0) -> Lane:
    """Append entries."""
    lane = seen.lane
    seqs = frozenset(n.seq for n in new)
    return replace(
        lane,
        entries=lane.entries | entries_for(seen, new, loss),
        fly=lane.fly - seqs,
        late=lane.late | seqs,
    )


def waits(rows: Iterable[Leaving]) -> frozenset[Wait]:
    """Answer the rows of jobs that wait or have ended."""
    return frozenset(Wait(n.job, n.state, n.lease, n.attempt, n.losses) for n in rows)


def letters(rows: Iterable[Wait | Leaving]) -> frozenset[Letter]:
    """Answer jobs with what a deleted row kept of them."""
    return frozenset(Letter(n.job, n.lease, n.attempt, n.losses) for n in rows)


def placing(seen: Facts, out: Out, loss: int) -> Lane:
    """Append the entries, and write the rows, that jobs leave."""
    lane = seen.lane
    return replace(
        appending(seen, out.new, loss),
        deferred=lane.deferred | waits(out.deferred),
        finals=lane.finals | waits(out.finals),
        dead=lane.dead | waits(row._replace(state="failed") for row in out.dead),
    )


# Closing.


def settled(items: Iterable[Item]) -> Seqs:
    """Answer the numbers that are closed."""
    return union(item.settled for item in items)


def close_guards(seen: Facts, items: Collection[Item]) -> Guards:
    """CloseG: of every action that closes numbers of claims."""
    return {
        "claimed": lambda: all(it.settled <= seen.taken_by(it.token, it.part) for it in items),
        "open": lambda: not any(it.settled & seen.closed_by(it.token, it.part) for it in items),
        "once": lambda: (
            not any(
                a.settled & b.settled
                for a in items
                for b in items
                if a != b and (a.token, a.part) == (b.token, b.part)
            )
        ),
    }


def _in_one_slot(seen: Facts, items: Iterable[Item], scope: Scope) -> frozenset[Carried]:
    """A claim may have a row in several slots, after an evacuation; a closure stands beside one."""
    return frozenset(
        Carried(it.token, it.part, seqs)
        for it in items
        for slot in scope.slots
        if (seqs := frozenset(s for s in it.settled if seen.entry_of(s).slot == slot))
    )


def closing(
    seen: Facts, items: Iterable[Item], scope: Scope, *, outcome: str, settle: int
) -> frozenset[Closure]:
    """Answer the closures as they are then."""
    before = seen.lane.closures

    def copies(x: Carried) -> int:
        return sum(c[:-1] == (x.token, x.part, x.seqs, settle, outcome) for c in before)

    return before | {
        Closure(x.token, x.part, x.seqs, settle, outcome, copies(x))
        for x in _in_one_slot(seen, items, scope)
    }


def entire(seen: Facts, items: Iterable[Item]) -> bool:
    """Whether every claims row that is closed is closed whole."""
    return all(
        open_now <= it.settled
        for it in items
        for row in seen.rows_of(it.token, it.part)
        if (open_now := seen.open_of(row)) & it.settled
    )


def every_row(seen: Facts, items: Iterable[Item], holds: Callable[[Row], bool]) -> bool:
    """Whether something holds of all claims rows that items speak of."""
    return all(holds(row) for it in items for row in seen.rows_of(it.token, it.part))


# Taking out.


def withdraw_guards(seen: Facts, taken: Collection[Taken], ends: Collection[Leaving]) -> Guards:
    """WithdrawG: of every action that takes pending jobs out."""

    def as_it_was(end: Leaving) -> bool:
        before = seen.entry_of(end.from_) if end.from_ else None
        rows = seen.waits_of(end.job) if before is None else {before}
        return end.state == "cancelled" and any(
            (end.lease, end.attempt, end.losses) == (x.lease, x.attempt, x.losses) for x in rows
        )

    return {
        "pending": lambda: all(
            w.from_ in seen.pending and seen.entry_of(w.from_).job == w.job
            if w.from_
            else bool(seen.waits_of(w.job))
            for w in taken
        ),
        "one_place": lambda: len({w.job for w in taken}) == len(taken),
        "cancelled": lambda: {Taken(f.job, f.from_) for f in ends} == set(taken),
        "as_it_was": lambda: all(map(as_it_was, ends)),
    }


def taken_seqs(taken: Iterable[Taken]) -> Seqs:
    """Answer the numbers that are taken out."""
    return froms(taken) - {0}


def undeferred(lane: Lane, jobs: Collection[int]) -> frozenset[Wait]:
    """Answer what waits without these jobs."""
    return frozenset(d for d in lane.deferred if d.job not in jobs)


def taken_waits(taken: Iterable[Taken]) -> frozenset[int]:
    """Answer the jobs taken out of those that wait."""
    return frozenset(w.job for w in taken if not w.from_)


def lives_anew(lane: Lane, scope: Scope, jobs: Collection[int]) -> frozenset[Want]:
    """These jobs come back, and the first attempt of their life is still before them."""
    if scope.loose("new_life"):
        return lane.wants
    seen = facts(lane)
    return frozenset(
        w._replace(lease=seen.lease(w.job) + 1) if w.job in jobs else w for w in lane.wants
    )


def keys_without(lane: Lane, scope: Scope, jobs: Collection[int]) -> frozenset[Key]:
    """A key's row goes with its job's last row, and no other job's row does."""
    if scope.loose("key_own"):
        theirs = {want.key for want in lane.wants if want.job in jobs}
        return frozenset(key for key in lane.keys if key.key not in theirs)
    return frozenset(key for key in lane.keys if key.job not in jobs)
