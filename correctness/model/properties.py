"""What Storage promises: of every state, and of every step.

Bounds of variables (TypeInv) are left to the types, and what must happen at last to TLC.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from correctness.model.effects import letters
from correctness.model.facts import Facts, facts
from correctness.model.life import refines_job_life
from correctness.model.state import Entry, Key, Lane, Note, Scope, Seqs, Wait

Invariant = Callable[[Facts, Scope], bool]
StepProperty = Callable[[Facts, Facts, Scope], bool]


def _apart(parts: Iterable[Seqs]) -> bool:
    """Whether no number is in two of them."""
    listed = [number for part in parts for number in part]
    return len(listed) == len(set(listed))


def _entry_claimed_once(seen: Facts, _: Scope) -> bool:
    return _apart(row.seqs for row in seen.lane.claims) and not (
        seen.takeable & (seen.claimed | seen.gone_seqs)
    )


def _token_takes_once(seen: Facts, _: Scope) -> bool:
    took = {(row.token, row.no) for row in seen.lane.claims if row.no}
    return len(took) == len({token for token, _ in took})


def _closures_disjoint(seen: Facts, _: Scope) -> bool:
    receipts = {(one.token, one.part) for one in seen.lane.closures}
    return all(
        _apart(one.seqs for one in seen.lane.closures if (one.token, one.part) == receipt)
        for receipt in receipts
    )


def _closure_within_claim(seen: Facts, _: Scope) -> bool:
    return all(
        any(one.seqs <= row.seqs for row in seen.rows_of(one.token, one.part))
        for one in seen.lane.closures
    )


def _withdrawn_unclaimed(seen: Facts, _: Scope) -> bool:
    return not seen.lane.withdrawn & seen.claimed


def _one_live_place_per_job(seen: Facts, scope: Scope) -> bool:
    return all(seen.places(job) == 1 for job in scope.jobs if seen.known(job))


def _body_kept(seen: Facts, _: Scope) -> bool:
    slots: dict[int, list[int]] = {}
    for entry in seen.lane.entries:
        slots.setdefault(entry.seq, []).append(entry.slot)
    return all(
        slots.get(seq) == [row.slot] for row in seen.lane.claims for seq in seen.open_of(row)
    )


def _hole_safety(seen: Facts, _: Scope) -> bool:
    lane = seen.lane
    return all(s >= lane.next or s in lane.holes for s in lane.fly | seen.pending)


def _holes_below(seen: Facts, _: Scope) -> bool:
    return all(h < seen.lane.next and h not in seen.claimed for h in seen.lane.holes)


def _floor_kept(seen: Facts, _: Scope) -> bool:
    lane = seen.lane
    kept = {row.no for row in lane.claims} | {lane.floor.no}
    return max(kept) == lane.no and (lane.floor.no != lane.no or lane.floor == lane.state)


def _open_is_newest(seen: Facts, scope: Scope) -> bool:
    return all(
        seen.entry_of(seq).lease == seen.lease(job)
        for job in scope.jobs
        for seq in seen.open_seqs(job)
    )


def _numbers_once(seen: Facts, _: Scope) -> bool:
    lane = seen.lane
    return (
        len(seen.written) == len(lane.entries)
        and len(seen.gone_seqs) == len(lane.gone)
        and not seen.written & seen.gone_seqs
    )


def _to_run(seen: Facts) -> Iterator[Entry | Wait]:
    yield from seen.lane.entries
    yield from seen.lane.deferred


def _loss_bound(seen: Facts, scope: Scope) -> bool:
    return all(x.losses <= scope.loss_max for x in _to_run(seen))


def _attempt_bound(seen: Facts, scope: Scope) -> bool:
    most = dict(scope.bounds or ())
    return all(x.attempt <= most.get(x.job, scope.attempt_max) for x in _to_run(seen))


def _unique_held_once(seen: Facts, _: Scope) -> bool:
    holding = {(want.key, want.job) for want in seen.lane.wants if seen.holds(want.job)}
    return len(holding) == len({key for key, _ in holding})


INVARIANTS: Final[dict[str, Invariant]] = {
    "EntryClaimedOnce": _entry_claimed_once,
    "TokenTakesOnce": _token_takes_once,
    "ClosuresDisjoint": _closures_disjoint,
    "ClosureWithinClaim": _closure_within_claim,
    "WithdrawnUnclaimed": _withdrawn_unclaimed,
    "OneLivePlacePerJob": _one_live_place_per_job,
    "BodyKept": _body_kept,
    "HoleSafety": _hole_safety,
    "HolesBelow": _holes_below,
    "FloorKept": _floor_kept,
    "OpenIsNewest": _open_is_newest,
    "NumbersOnce": _numbers_once,
    "LossBound": _loss_bound,
    "AttemptBound": _attempt_bound,
    "UniqueHeldOnce": _unique_held_once,
}
"""In the order in which they are looked at."""


def _cursor_grows(was: Facts, now: Facts, _: Scope) -> bool:
    old, new = was.lane, now.lane
    return new.next >= old.next and new.no >= old.no and new.last >= old.last


def _run_lease_grows(was: Facts, now: Facts, _: Scope) -> bool:
    return all(
        e.lease == was.lease(e.job) + 1 for e in now.lane.entries if e.seq not in was.written
    )


def _only_open_settles(was: Facts, now: Facts, _: Scope) -> bool:
    return all(
        any(one.seqs <= was.open_of(row) for row in was.rows_of(one.token, one.part))
        for one in now.lane.closures - was.lane.closures
    )


def _only_known_end(was: Facts, now: Facts, _: Scope) -> bool:
    def still_claimed(token: int, part: int, worker: int, seq: int) -> bool:
        return any(q.worker == worker and seq in q.seqs for q in now.rows_of(token, part))

    return all(
        still_claimed(row.token, row.part, row.worker, seq)
        or (seq not in was.open_of(row) and seq in now.gone_seqs)
        for row in was.lane.claims - now.lane.claims
        for seq in row.seqs
    )


def _prune_empty(was: Facts, now: Facts, _: Scope) -> bool:
    withdrawn = {ghost.seq for ghost in now.lane.gone if ghost.fate == "withdrawn"}
    return was.written - now.written <= was.done | withdrawn


def _final_for_good(was: Facts, now: Facts, scope: Scope) -> bool:
    def stays(job: int) -> bool:
        done, ends, removed = was.done_seqs(job), was.ends_of(job), was.removed_of(job)
        return (
            (not done or done == now.done_seqs(job))
            and (
                not ends
                or ends == now.ends_of(job)
                or ends <= now.lane.dead
                or letters(ends) <= now.lane.removed
            )
            and (not removed or removed == now.removed_of(job))
        )

    return all(map(stays, scope.jobs))


def _dlq_round_trip(was: Facts, now: Facts, _: Scope) -> bool:
    def came_back(d: Wait) -> bool:
        return any(
            (e.job, e.lease, e.attempt, e.losses) == (d.job, d.lease + 1, 1, 0)
            and e.seq not in was.written
            for e in now.lane.entries
        ) or any(
            (w.job, w.lease, w.attempt, w.losses) == (d.job, d.lease, 1, 0)
            for w in now.lane.deferred
        )

    def has_its_key(job: int) -> bool:
        asked = {Key(want.key, job) for want in was.lane.wants if want.job == job}
        return not asked or (asked <= now.lane.keys and now.holds(job))

    return all(
        letters({d}) <= now.lane.removed or (came_back(d) and has_its_key(d.job))
        for d in was.lane.dead - now.lane.dead
    )


def _key_kept(was: Facts, now: Facts, _: Scope) -> bool:
    held = {want.job for want in was.lane.wants if was.holds(want.job)}
    return all(now.holds(job) for job in held if now.state_of(job) in {"available", "scheduled"})


def _only_open_notes(was: Facts, now: Facts, _: Scope) -> bool:
    return all(
        any(was.entry_of(seq).lease == note.lease for seq in was.open_seqs(note.job))
        for note in now.lane.notes - was.lane.notes
    )


def _progress_grows(was: Facts, now: Facts, _: Scope) -> bool:
    later = {note.job: note for note in now.lane.notes}

    def grew(old: Note) -> bool:
        new = later.get(old.job)
        return new is not None and (
            new == old or new.lease > old.lease or (new.lease == old.lease and new.note > old.note)
        )

    return all(map(grew, was.lane.notes))


def _no_job_lost(was: Facts, now: Facts, scope: Scope) -> bool:
    return all(now.places(job) >= 1 for job in scope.jobs if was.known(job))


def _passed_over(was: Facts, now: Facts, _: Scope) -> bool:
    if now.lane.no == was.lane.no:
        return True
    taken = now.claimed - was.claimed
    upto = now.lane.next - 1 if now.claimed == was.claimed else max(taken)
    return all(s in now.claimed or s > upto for s in was.takeable - was.lane.late)


STEP_PROPERTIES: Final[dict[str, StepProperty]] = {
    "CursorGrows": _cursor_grows,
    "RunLeaseGrows": _run_lease_grows,
    "OnlyOpenSettles": _only_open_settles,
    "OnlyKnownEnd": _only_known_end,
    "PruneEmpty": _prune_empty,
    "FinalForGood": _final_for_good,
    "DlqRoundTrip": _dlq_round_trip,
    "KeyKept": _key_kept,
    "OnlyOpenNotes": _only_open_notes,
    "ProgressGrows": _progress_grows,
    "NoJobLost": _no_job_lost,
    "PassedOver": _passed_over,
    "RefinesJobLife": refines_job_life,
}
"""A step that changes nothing keeps them all."""


def invariants(lane: Lane, scope: Scope) -> list[str]:
    """Answer the names of the invariants that do not hold in a state."""
    seen = facts(lane)
    return [name for name, holds in INVARIANTS.items() if not holds(seen, scope)]


def step_properties(before: Lane, after: Lane, scope: Scope) -> list[str]:
    """Answer the names of the properties that a step from one state to another breaks."""
    if before == after:
        return []
    was, now = facts(before), facts(after)
    return [name for name, holds in STEP_PROPERTIES.items() if not holds(was, now, scope)]
