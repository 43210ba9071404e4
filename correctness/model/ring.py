"""Actions on the slots of the ring, and steps of the world."""

from collections.abc import Collection
from dataclasses import replace

from correctness.model.effects import (
    Guards,
    append_guards,
    appending,
    entries_for,
    froms,
    jobs_in,
    keys_without,
    lives_anew,
    refusal,
    waits,
)
from correctness.model.facts import Facts, facts, union
from correctness.model.state import (
    NOTHING,
    Carried,
    Ghost,
    Lane,
    New,
    Note,
    Out,
    Refused,
    Row,
    Said,
    Scope,
    Seqs,
    State,
)


def rotate(lane: Lane, scope: Scope, from_: int, to: int) -> Lane | Refused:
    """Another slot is the hint from now on."""
    seen = facts(lane)
    guards: Guards = {
        "here": lambda: from_ == lane.ring,
        "empty": lambda: to != lane.ring and not seen.in_slot(to) and not seen.claims_in(to),
    }
    return refusal(scope, guards) or replace(lane, ring=to)


def _prune_guards(seen: Facts, slot: int, new: Collection[New], *, truncated: bool) -> Guards:
    again = froms(new)
    return {
        "not_current": lambda: slot != seen.lane.ring,
        "none_open": lambda: not truncated or not any(map(seen.open_of, seen.claims_in(slot))),
        "none_pending": lambda: not truncated or seen.seqs_in(slot) & seen.pending <= again,
        "orphaned": lambda: again <= seen.orphans(slot),
        "again": lambda: len(again) == len(new),
        "same_job": lambda: all(n.job == seen.entry_of(n.from_).job for n in new),
        "lease_up": lambda: all(n.lease == seen.entry_of(n.from_).lease + 1 for n in new),
        "attempt_back": lambda: all(n.attempt == seen.entry_of(n.from_).attempt for n in new),
    }


def _floor_guards(seen: Facts, slot: int, state: State, *, truncated: bool) -> Guards:
    lane, newest = seen.lane, seen.newest(slot)

    def kept() -> bool:
        if not truncated or newest <= lane.floor.no:
            return state == lane.floor
        return state.no == newest and (newest != lane.no or state == lane.state)

    return {"floor": kept}


def _ghosts(seen: Facts, vanish: Seqs, again: Seqs) -> frozenset[Ghost]:
    return frozenset(
        Ghost(e.seq, e.job, e.lease, e.attempt, e.losses, seen.fate(e.seq, again))
        for e in seen.lane.entries
        if e.seq in vanish
    )


def prune(
    lane: Lane,
    scope: Scope,
    slot: int,
    state: State,
    new: Collection[New],
    truncated: bool,
) -> Lane | Refused:
    """A slot of ended work is truncated; what a mistake left behind is appended again."""
    seen = facts(lane)
    refused = refusal(
        scope,
        append_guards(lane, new),
        _prune_guards(seen, slot, new, truncated=truncated),
        _floor_guards(seen, slot, state, truncated=truncated),
    )
    if refused is not None:
        return refused
    vanish = seen.seqs_in(slot) if truncated else NOTHING
    again, numbers = froms(new), frozenset(n.seq for n in new)
    ended = {e.job for e in lane.entries if e.seq in vanish & seen.closed_with("completed")}
    leases = {(n.job, n.lease) for n in new}
    fresh = {want.job for want in lane.wants if (want.job, want.lease + 1) in leases}
    return replace(
        lane,
        entries=frozenset(e for e in lane.entries if e.seq not in vanish)
        | entries_for(seen, new, 0),
        fly=lane.fly - numbers,
        late=(lane.late - vanish) | numbers,
        gone=lane.gone | _ghosts(seen, vanish, again),
        claims=lane.claims - seen.claims_in(slot) if truncated else lane.claims,
        closures=frozenset(c for c in lane.closures if not c.seqs & vanish),
        withdrawn=(lane.withdrawn | again) - vanish,
        floor=state,
        keys=keys_without(lane, scope, ended),
        wants=lives_anew(lane, scope, fresh),
    )


def _evacuate_guards(
    seen: Facts, slot: int, to: int, moved: Seqs, rows: Collection[Carried]
) -> Guards:
    here, there = seen.claims_in(slot), seen.claims_in(to)

    def of_a_claim(x: Carried) -> bool:
        return bool(x.seqs) and any(
            (x.token, x.part) == (r.token, r.part) and x.seqs == seen.open_of(r) for r in here
        )

    return {
        "not_current": lambda: slot not in {seen.lane.ring, to},
        "live": lambda: moved <= seen.live(slot),
        "carried": lambda: (
            all(map(of_a_claim, rows)) and union(x.seqs for x in rows) == moved & seen.open_now
        ),
        "once": lambda: not any(there.intersection(seen.rows_of(x.token, x.part)) for x in rows),
    }


def evacuate(
    lane: Lane, scope: Scope, slot: int, to: int, moved: Seqs, rows: Collection[Carried]
) -> Lane | Refused:
    """Live entries of a slot go to another, with a claims row for what is open of them."""
    seen = facts(lane)
    refused = refusal(scope, _evacuate_guards(seen, slot, to, moved, rows))
    if refused is not None:
        return refused
    here = seen.claims_in(slot)

    def goes(row: Row) -> Seqs:
        return union(x.seqs for x in rows if (x.token, x.part) == (row.token, row.part))

    return replace(
        lane,
        entries=frozenset(e._replace(slot=to) if e.seq in moved else e for e in lane.entries),
        claims=(lane.claims - here)
        | {row._replace(seqs=row.seqs - goes(row)) for row in here}
        | {row._replace(slot=to, no=0, seqs=goes(row)) for row in here if goes(row)},
    )


def env_draw(lane: Lane, scope: Scope) -> Lane | Refused:
    """A producer draws a number; its transaction is open from now on."""
    guards: Guards = {"born": lambda: lane.born, "seq_max": lambda: lane.last < scope.seq_max}
    drawn = lane.last + 1
    # No records of guards there, so none of these can be switched off.
    return refusal(replace(scope, off=frozenset()), guards) or replace(
        lane, last=drawn, fly=lane.fly | {drawn}
    )


def env_rollback(lane: Lane, _scope: Scope, numbers: Seqs) -> Lane:
    """A transaction rolls back: its numbers will never appear."""
    return replace(lane, fly=lane.fly - numbers)


def env_arrive(lane: Lane, scope: Scope, out: Out, said: Collection[Said] = ()) -> Lane | Refused:
    """A dead letter of another lane is retried into this one, perhaps with its progress."""
    seen, jobs = facts(lane), jobs_in(out)
    guards: Guards = {
        "unknown": lambda: all(seen.places(job) == len(seen.removed_of(job)) for job in jobs)
    }
    return refusal(scope, guards, append_guards(lane, out.new)) or replace(
        appending(seen, out.new),
        deferred=lane.deferred | waits(out.deferred),
        removed=frozenset(row for row in lane.removed if row.job not in jobs),
        notes=frozenset(note for note in lane.notes if note.job not in jobs)
        | {Note(x.job, 0, 0, x.said) for x in said},
    )
