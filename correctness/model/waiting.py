"""Actions on jobs that do not run: what waits, is pending, has ended, or is a dead letter."""

from collections.abc import Collection
from dataclasses import replace

from correctness.model.effects import (
    Guards,
    append_guards,
    appending,
    how_many,
    jobs_in,
    keys_without,
    letters,
    lives_anew,
    refusal,
    taken_seqs,
    taken_waits,
    undeferred,
    waits,
    withdraw_guards,
)
from correctness.model.facts import Facts, facts
from correctness.model.state import (
    Key,
    Lane,
    Leaving,
    New,
    Out,
    Refused,
    Said,
    Scope,
    Taken,
    Wait,
)

Jobs = Collection[int]


def _of(rows: frozenset[Wait], jobs: Jobs) -> frozenset[Wait]:
    return frozenset(row for row in rows if row.job in jobs)


def promote(lane: Lane, scope: Scope, new: Collection[New]) -> Lane | Refused:
    """What waits goes back to its lane, as entries with the next run_lease."""
    seen = facts(lane)
    guards: Guards = {
        "waited": lambda: (
            all(not n.from_ and seen.waits_of(n.job) for n in new)
            and len({n.job for n in new}) == len(new)
        ),
        "lease_up": lambda: all(n.lease == d.lease + 1 for n in new for d in seen.waits_of(n.job)),
        "carried": lambda: all(n.attempt == d.attempt for n in new for d in seen.waits_of(n.job)),
    }
    left = lane.deferred if scope.loose("leaves") else undeferred(lane, [n.job for n in new])
    return refusal(scope, append_guards(lane, new), guards) or replace(
        appending(seen, new), deferred=left
    )


def cancel_pending(
    lane: Lane, scope: Scope, taken: Collection[Taken], ends: Collection[Leaving]
) -> Lane | Refused:
    """Jobs are cancelled before they run."""
    return refusal(scope, withdraw_guards(facts(lane), taken, ends)) or replace(
        lane,
        deferred=undeferred(lane, taken_waits(taken)),
        withdrawn=lane.withdrawn | taken_seqs(taken),
        finals=lane.finals | waits(ends),
    )


def dlq_move(
    lane: Lane, scope: Scope, jobs: Jobs, moved: Collection[Wait | Leaving]
) -> Lane | Refused:
    """Final rows become dead letters."""
    seen, theirs = facts(lane), _of(lane.finals, jobs)
    guards: Guards = {
        "final": lambda: all(seen.ends_of(job) for job in jobs),
        "moved": lambda: letters(moved) == letters(theirs),
    }
    return refusal(scope, guards) or replace(
        lane, finals=lane.finals - theirs, dead=lane.dead | theirs
    )


def _dlq_retry_guards(
    seen: Facts, scope: Scope, jobs: Jobs, out: Out, elsewhere: Jobs, said: Collection[Said]
) -> Guards:
    lane = seen.lane

    def lost_to_another(key: Key) -> bool:
        asked = {want.job for want in lane.wants if want.key == key.key and want.job in jobs}
        return bool(asked - {key.job}) and seen.holds_against(key.job, scope)

    return {
        "letter": lambda: all(seen.letters_of(job) for job in jobs),
        "followed": lambda: (
            jobs_in(out).union(elsewhere) == frozenset(jobs)
            and how_many(out) + len(elsewhere) == len(jobs)
            and not (out.finals or out.dead)
        ),
        "lease_up": lambda: (
            all(n.lease == d.lease + 1 for n in out.new for d in seen.letters_of(n.job))
            and all(w.lease == d.lease for w in out.deferred for d in seen.letters_of(w.job))
        ),
        "anew": lambda: (
            all(n.attempt == 1 for n in out.new)
            and all((w.attempt, w.losses, w.state) == (1, 0, "scheduled") for w in out.deferred)
        ),
        "unheld": lambda: not any(map(lost_to_another, lane.keys)),
        "says": lambda: (
            set(said) == {Said(n.job, n.said) for n in lane.notes if n.job in elsewhere}
        ),
    }


def dlq_retry(
    lane: Lane,
    scope: Scope,
    jobs: Jobs,
    out: Out,
    elsewhere: Jobs,
    said: Collection[Said] = (),
) -> Lane | Refused:
    """Dead letters become jobs again, here or in the lane of another queue."""
    seen = facts(lane)
    back = [want for want in lane.wants if want.job in jobs]
    asked = {want.key for want in back}
    return refusal(
        scope,
        append_guards(lane, out.new),
        _dlq_retry_guards(seen, scope, jobs, out, elsewhere, said),
    ) or replace(
        appending(seen, out.new),
        deferred=lane.deferred | waits(out.deferred),
        dead=lane.dead - _of(lane.dead, jobs),
        removed=lane.removed | letters(_of(lane.dead, elsewhere)),
        keys=frozenset(key for key in lane.keys if key.key not in asked)
        | {Key(want.key, want.job) for want in back},
        wants=lives_anew(lane, scope, jobs),
    )


def dlq_purge(lane: Lane, scope: Scope, jobs: Jobs) -> Lane | Refused:
    """Dead letters are deleted."""
    seen, theirs = facts(lane), _of(lane.dead, jobs)
    guards: Guards = {"letter": lambda: all(seen.letters_of(job) for job in jobs)}
    return refusal(scope, guards) or replace(
        lane,
        dead=lane.dead - theirs,
        removed=lane.removed | letters(theirs),
        keys=keys_without(lane, scope, jobs),
    )


def retire(lane: Lane, scope: Scope, ends: Jobs, dead: Jobs) -> Lane | Refused:
    """Final rows and dead letters past their retention are deleted."""
    seen, ended, died = facts(lane), _of(lane.finals, ends), _of(lane.dead, dead)
    guards: Guards = {
        "final": lambda: all(seen.ends_of(job) for job in ends),
        "letter": lambda: all(seen.letters_of(job) for job in dead),
    }
    return refusal(scope, guards) or replace(
        lane,
        finals=lane.finals - ended,
        dead=lane.dead - died,
        removed=lane.removed | letters(ended | died),
        keys=keys_without(lane, scope, {*ends, *dead}),
    )
