"""Actions of producers and workers: lanes, enqueues, workers, claims."""

from collections.abc import Collection
from dataclasses import replace

from correctness.model.effects import (
    Guards,
    append_guards,
    appending,
    refusal,
    taken_seqs,
    taken_waits,
    undeferred,
    waits,
    withdraw_guards,
)
from correctness.model.facts import Facts, facts, union
from correctness.model.state import (
    NOTHING,
    Key,
    Lane,
    More,
    New,
    Part,
    Refused,
    Row,
    Scope,
    Seqs,
    State,
)

PLAINLY = More()
"""Plain: an enqueue that writes nothing beside its entries."""


def ensure_lane(lane: Lane, scope: Scope) -> Lane | Refused:
    """Create the lane."""
    guards: Guards = {"new": lambda: not lane.born}
    return refusal(scope, guards) or replace(lane, born=True)


def _enqueue_many_guards(seen: Facts, scope: Scope, new: Collection[New], more: More) -> Guards:
    born_now = [row.job for row in new] + [row.job for row in more.deferred]

    def held(key: Key) -> bool:
        return seen.holds_against(key.job, scope) and all(x.job != key.job for x in more.taken)

    return {
        "waits_in_lane": lambda: not more.deferred or seen.lane.born,
        "fresh": lambda: not any(map(seen.known, born_now)) and len(set(born_now)) == len(born_now),
        "first": lambda: (
            all((n.from_, n.lease, n.attempt) == (0, 1, 1) for n in new)
            and all(
                (d.from_, d.lease, d.attempt, d.losses, d.state) == (0, 0, 1, 0, "scheduled")
                for d in more.deferred
            )
        ),
        "unheld": lambda: (
            not any(
                key.key == want.key and held(key) for want in more.wants for key in seen.lane.keys
            )
        ),
        "one_key": lambda: len({want.key for want in more.wants}) == len(more.wants),
    }


def enqueue_many(
    lane: Lane, scope: Scope, new: Collection[New], more: More = PLAINLY
) -> Lane | Refused:
    """Append entries of new jobs, and write what the call writes beside them."""
    seen = facts(lane)
    refused = refusal(
        scope,
        append_guards(lane, new),
        _enqueue_many_guards(seen, scope, new, more),
        withdraw_guards(seen, more.taken, more.finals),
    )
    asked = {want.key for want in more.wants}
    return refused or replace(
        appending(seen, new),
        deferred=undeferred(lane, taken_waits(more.taken)) | waits(more.deferred),
        withdrawn=lane.withdrawn | taken_seqs(more.taken),
        finals=lane.finals | waits(more.finals),
        wants=lane.wants | more.wants,
        keys=frozenset(key for key in lane.keys if key.key not in asked)
        | {Key(want.key, want.job) for want in more.wants},
    )


def enqueue(lane: Lane, scope: Scope, new: Collection[New], more: More = PLAINLY) -> Lane | Refused:
    """Write one new job."""
    guards: Guards = {"single": lambda: len(new) + len(more.deferred) <= 1}
    return refusal(scope, guards) or enqueue_many(lane, scope, new, more)


def worker_start(lane: Lane, scope: Scope, worker: int, answer: str) -> Lane | Refused:
    """A worker announces itself."""
    told = "already" if worker in lane.workers else "started"
    guards: Guards = {"told": lambda: answer == told}
    return refusal(scope, guards) or replace(
        lane, workers=lane.workers | {worker}, stopped=lane.stopped - {worker}
    )


def worker_stop(lane: Lane, scope: Scope, worker: int, answer: str) -> Lane | Refused:
    """A worker says goodbye."""
    told = "stopped" if worker in lane.workers else "gone"
    guards: Guards = {"told": lambda: answer == told}
    return refusal(scope, guards) or without_worker(lane, worker)


def without_worker(lane: Lane, worker: int) -> Lane:
    """Take a worker's row away; a claim of it may still be on its way."""
    return replace(
        lane,
        workers=lane.workers - {worker},
        stopped=lane.stopped | (lane.workers & {worker}),
    )


def _claim_guards(
    seen: Facts, worker: int, token: int, rows: Collection[Part], after: State
) -> Guards:
    lane = seen.lane
    got = union(row.seqs for row in rows)
    top = max(got) if got else after.next
    passed = lane.holes.union(range(lane.next, after.next))
    return {
        "some": lambda: bool(got or (rows and passed & lane.withdrawn)),
        "started": lambda: worker in lane.workers | lane.stopped,
        "new_token": lambda: all(row.token != token for row in lane.claims),
        "visible": lambda: got <= seen.ahead,
        "not_withdrawn": lambda: not got & lane.withdrawn,
        "in_order": lambda: all(s in lane.late for s in seen.takeable - got if s < top),
        "parted": lambda: (
            len({row.part for row in rows}) == len(rows)
            and sum(len(row.seqs) for row in rows) == len(got)
        ),
        "in_slot": lambda: all(
            seen.entry_of(s).slot == row.slot for row in rows for s in row.seqs & seen.written
        ),
        "serial": lambda: after.no == lane.no + 1,
        "cursor": lambda: _above(lane, got) <= after.next <= _above(lane, seen.written),
        "noted": lambda: after.holes <= passed - got,
        "forgotten": lambda: not (passed - (got | after.holes)) & (seen.takeable | lane.fly),
    }


def _above(lane: Lane, seqs: Seqs) -> int:
    return max(lane.next, 1 + max(seqs, default=0))


def _claim_again_guards(seen: Facts, token: int, rows: Collection[Part]) -> Guards:
    theirs = [row for row in seen.lane.claims if row.token == token]
    return {
        "known_token": lambda: bool(theirs),
        "still_open": lambda: (
            set(rows)
            == {Part(r.part, r.slot, open_now) for r in theirs if (open_now := seen.open_of(r))}
        ),
    }


def claim(
    lane: Lane,
    scope: Scope,
    worker: int,
    call: int,
    token: int,
    rows: Collection[Part],
    after: State,
    again: bool,
) -> Lane | Refused:
    """Take entries; or answer once more what is still open of a call that was executed."""
    seen = facts(lane)
    if again:
        return refusal(scope, _claim_again_guards(seen, token, rows)) or lane
    return refusal(scope, _claim_guards(seen, worker, token, rows, after)) or replace(
        lane,
        claims=lane.claims
        | {Row(token, r.part, r.slot, worker, call, after.no, r.seqs) for r in rows},
        no=after.no,
        next=after.next,
        holes=after.holes,
        late=lane.late if scope.late_kept else NOTHING,
    )
