"""Next of Storage: every step that a bounded model tries, by the action's name.

The functions stand for the operators `Try...`, and `steps` for their disjunction.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Final

from correctness.model import calls, noting, ring, settles, waiting
from correctness.model.state import Lane, Leaving, More, New, Out, Refused, Scope
from correctness.model.tried import Ends, Tried, subsets

Answers = Iterator[Lane | Refused]


def _rollback(tried: Tried) -> Answers:
    for numbers in filter(None, subsets(tried.lane.fly)):
        yield ring.env_rollback(tried.lane, tried.scope, numbers)


def _enqueue(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    if scope.has("delay"):
        for rows in tried.new_waits():
            yield calls.enqueue(lane, scope, frozenset(), More(deferred=rows))
    for number in tried.draws:
        for new in tried.new_jobs(frozenset({number})):
            yield calls.enqueue(lane, scope, new)
            for more in tried.asking():
                yield calls.enqueue(lane, scope, new, more)


def _enqueue_many(tried: Tried) -> Answers:
    for numbers in combinations(sorted(tried.draws), 2):
        for new in tried.new_jobs(frozenset(numbers)):
            yield calls.enqueue_many(tried.lane, tried.scope, new)


def _worker_start(tried: Tried) -> Answers:
    for worker, answer in product(tried.scope.workers, ("started", "already")):
        yield calls.worker_start(tried.lane, tried.scope, worker, answer)


def _worker_stop(tried: Tried) -> Answers:
    for worker, answer in product(tried.scope.workers, ("stopped", "gone")):
        yield calls.worker_stop(tried.lane, tried.scope, worker, answer)


def _claim(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    for got in tried.takes():
        rows = tried.rows_for(got)
        for after, worker, token in product(tried.states(got), scope.workers, scope.tokens):
            yield calls.claim(lane, scope, worker, token, token, rows, after, again=False)


def _complete(tried: Tried) -> Answers:
    for call in tried.calls("completed"):
        yield settles.complete(tried.lane, tried.scope, call.settle, {call.item})


def _release(tried: Tried) -> Answers:
    for call in tried.calls("released"):
        for new in tried.follows(call.item.settled):
            yield settles.release(tried.lane, tried.scope, call.settle, {call.item}, new)


def _retry(tried: Tried) -> Answers:
    for call in tried.calls("retried"):
        for out in tried.retry_outs(call.item.settled):
            yield settles.retry(tried.lane, tried.scope, call.settle, {call.item}, out)


def _snooze(tried: Tried) -> Answers:
    for call in tried.calls("snoozed"):
        for out in tried.outs(Ends(waiting=call.item.settled, waits_as="scheduled")):
            yield settles.snooze(tried.lane, tried.scope, call.settle, {call.item}, out)


def _fail(tried: Tried) -> Answers:
    for call in tried.calls("failed"):
        for out in tried.outs(Ends(ended=call.item.settled)):
            yield settles.fail(tried.lane, tried.scope, call.settle, {call.item}, out)


def _cancel_running(tried: Tried) -> Answers:
    for call in tried.calls("cancelled"):
        for out in tried.outs(Ends(ended=call.item.settled, ends_as="cancelled")):
            yield settles.cancel_running(tried.lane, tried.scope, call.settle, {call.item}, out)


def _heartbeat(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    for item in tried.open_items():
        for worker, upto in product(scope.workers, scope.tokens | {0}):
            for out in tried.lost_outs(item.settled):
                yield settles.heartbeat(lane, scope, worker, upto, (), "alive", {item}, out)


def _rescue_worker(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    for item, worker in product(tried.open_items(), scope.workers):
        for out in tried.lost_outs(item.settled):
            yield settles.rescue_worker(lane, scope, worker, "gone", {item}, out)


def _rescue_deadline(tried: Tried) -> Answers:
    for item in tried.open_items():
        for out in tried.retry_outs(item.settled):
            yield settles.rescue_deadline(tried.lane, tried.scope, {item}, out)


def _note_progress(tried: Tried) -> Answers:
    for item in tried.note_items():
        yield noting.note_progress(tried.lane, tried.scope, {item})


def _numbered(tried: Tried) -> Iterator[tuple[int, int, int]]:
    """Numbers, slots and steps of a run_lease."""
    return product(tried.draws, tried.scope.slots, tried.lease_steps)


def _promote(tried: Tried) -> Answers:
    for job in {row.job for row in tried.lane.deferred}:
        row = min(tried.seen.waits_of(job))
        for number, slot, step in _numbered(tried):
            new = New(number, slot, job, row.lease + step, row.attempt)
            yield waiting.promote(tried.lane, tried.scope, {new})


def _cancel_pending(tried: Tried) -> Answers:
    for job in tried.scope.jobs:
        for taken in tried.takens(job):
            ends = tried.ends_for({taken})
            yield waiting.cancel_pending(tried.lane, tried.scope, {taken}, ends)


def _dlq_move(tried: Tried) -> Answers:
    for final in tried.lane.finals:
        yield waiting.dlq_move(tried.lane, tried.scope, {final.job}, {final})


def _letters(tried: Tried) -> list[int]:
    return [job for job in tried.scope.jobs if tried.retryable(job)]


def _dlq_purge(tried: Tried) -> Answers:
    for job in _letters(tried):
        yield waiting.dlq_purge(tried.lane, tried.scope, {job})


def _dlq_retry(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    for job in _letters(tried):
        lease = min(tried.retryable(job)).lease
        for number, slot, step in _numbered(tried):
            new = frozenset({New(number, slot, job, lease + step, 1)})
            yield waiting.dlq_retry(lane, scope, {job}, Out(new=new), ())
        if scope.has("delay"):
            row = frozenset({Leaving(job, "scheduled", lease, 1, 0)})
            yield waiting.dlq_retry(lane, scope, {job}, Out(deferred=row), ())
        if scope.loose("followed"):
            yield waiting.dlq_retry(lane, scope, {job}, Out(), ())


def _retire(tried: Tried) -> Answers:
    for final in tried.lane.finals:
        yield waiting.retire(tried.lane, tried.scope, {final.job}, ())
    for letter in tried.lane.dead:
        yield waiting.retire(tried.lane, tried.scope, (), {letter.job})


def _rotate(tried: Tried) -> Answers:
    for to in tried.scope.slots:
        yield ring.rotate(tried.lane, tried.scope, tried.lane.ring, to)


def _prune(tried: Tried) -> Answers:
    lane, scope, seen = tried.lane, tried.scope, tried.seen
    mending = scope.loose("orphaned")
    for slot in scope.slots:
        if seen.in_slot(slot) or seen.claims_in(slot):
            floor = lane.floor if mending else tried.floor_of(slot)
            for new in tried.follows(seen.live(slot) if mending else seen.orphans(slot)):
                yield ring.prune(lane, scope, slot, floor, new, truncated=not mending)


def _evacuate(tried: Tried) -> Answers:
    lane, scope = tried.lane, tried.scope
    for slot in scope.slots - {lane.ring}:
        loose = scope.loose("live")
        choices = subsets(tried.seen.seqs_in(slot)) if loose else [tried.seen.live(slot)]
        for moved in filter(None, choices):
            yield ring.evacuate(lane, scope, slot, lane.ring, moved, tried.carried(slot))


def _world(step: Callable[[Lane, Scope], Lane | Refused]) -> Callable[[Tried], Answers]:
    return lambda tried: iter([step(tried.lane, tried.scope)])


TRIES: Final[dict[str, tuple[frozenset[str], Callable[[Tried], Answers]]]] = {
    name: (frozenset(parts), tries)
    for name, parts, tries in (
        ("ensure_lane", (), _world(calls.ensure_lane)),
        ("env_draw", (), _world(ring.env_draw)),
        ("env_rollback", ("rollback",), _rollback),
        ("enqueue", (), _enqueue),
        ("enqueue_many", ("batch",), _enqueue_many),
        ("worker_start", (), _worker_start),
        ("worker_stop", ("stop",), _worker_stop),
        ("claim", (), _claim),
        ("complete", (), _complete),
        ("release", ("release",), _release),
        ("retry", ("retry",), _retry),
        ("snooze", ("snooze",), _snooze),
        ("fail", ("fail",), _fail),
        ("cancel_running", ("cancel",), _cancel_running),
        ("heartbeat", ("beat",), _heartbeat),
        ("rescue_worker", ("rescue",), _rescue_worker),
        ("rescue_deadline", ("deadline",), _rescue_deadline),
        ("note_progress", ("note",), _note_progress),
        ("promote", (), _promote),
        ("cancel_pending", ("cancel",), _cancel_pending),
        ("dlq_move", ("dlq",), _dlq_move),
        ("dlq_purge", ("dlq",), _dlq_purge),
        ("dlq_retry", ("dlq",), _dlq_retry),
        ("retire", ("retire",), _retire),
        ("rotate", ("ring",), _rotate),
        ("prune", ("ring",), _prune),
        ("evacuate", ("ring", "evacuate"), _evacuate),
    )
}
"""Each action with the parts a model must try for it, and what is tried."""


def steps(lane: Lane, scope: Scope) -> Iterator[tuple[str, Lane]]:
    """Answer every step that a bounded model takes from here."""
    tried = Tried(lane, scope)
    for name, (parts, tries) in TRIES.items():
        if parts <= scope.with_:
            yield from ((name, after) for after in tries(tried) if isinstance(after, Lane))
