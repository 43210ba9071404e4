"""The Python twin of Storage, by hand: a job's life, a refusal of each kind, a broken promise."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from correctness import model
from correctness.model import (
    FINISHED,
    Item,
    Lane,
    Leaving,
    More,
    New,
    Out,
    Part,
    Refused,
    Scope,
    State,
    Taken,
    Want,
)

SCOPE = Scope(jobs=frozenset({1, 2}), slots=frozenset({0, 1}), keys=frozenset({1}))
NONE: frozenset[int] = frozenset()
ONE = frozenset({1})
Try = Callable[[Scope], Lane | Refused]


def allowed(after: Lane | Refused) -> Lane:
    """Return the lane that an allowed action leads to."""
    assert isinstance(after, Lane), after
    return after


def enqueued() -> Lane:
    """Return a lane with one pending entry, number 1 of job 1, and a worker."""
    lane = allowed(model.ensure_lane(model.start(SCOPE), SCOPE))
    lane = allowed(model.env_draw(lane, SCOPE))
    lane = allowed(model.enqueue(lane, SCOPE, {New(seq=1, slot=0, job=1, lease=1, attempt=1)}))
    return allowed(model.worker_start(lane, SCOPE, 1, "started"))


def claimed() -> Lane:
    """Return that lane once the entry runs."""
    after = State(no=1, next=2, holes=NONE)
    return allowed(model.claim(enqueued(), SCOPE, 1, 1, 1, {Part(1, 0, ONE)}, after, False))


def settling(settled: frozenset[int] = ONE) -> frozenset[Item]:
    """Return the item that settles the entry, as the specification answers it."""
    return frozenset({Item(token=1, part=1, settled=settled, asked=ONE, stale=ONE - settled)})


def test_a_job_is_enqueued_claimed_and_completed() -> None:
    """Guards the plain way, and that no promise is broken on it."""
    lanes = [enqueued(), claimed()]
    lanes.append(allowed(model.complete(lanes[-1], SCOPE, 1, settling())))
    states = [model.facts(lane).state_of(1) for lane in lanes]
    assert ["available", "running", "completed"] == states
    assert [] == [broken for lane in lanes for broken in model.invariants(lane, SCOPE)]
    assert [] == model.step_properties(lanes[0], lanes[1], SCOPE)
    assert [] == model.step_properties(lanes[1], lanes[2], SCOPE)


def test_a_refusal_names_the_guards_that_do_not_hold() -> None:
    """Guards the reason: it is what a rejected trace, or a failed machine, says."""
    refused = model.complete(claimed(), SCOPE, 1, settling(settled=NONE))
    assert Refused(guards=frozenset({"whole"})) == refused
    assert 'guard {"whole"}' == str(refused)


def test_all_false_guards_of_a_record_are_named() -> None:
    """Guards reading several mistakes at once, as TLC says them."""
    after = State(no=3, next=1, holes=NONE)
    refused = model.claim(enqueued(), SCOPE, 2, 1, 1, {Part(1, 1, ONE)}, after, False)
    assert 'guard {"cursor", "in_slot", "serial", "started"}' == str(refused)


def test_a_guard_about_an_entry_that_is_not_there_does_not_hold() -> None:
    """Guards against an exception in the place of a verdict."""
    after = Out(new=frozenset({New(seq=2, slot=0, job=1, lease=2, attempt=1, from_=9)}))
    lane = replace(claimed(), last=2, fly=frozenset({2}))
    refused = model.release(lane, SCOPE, 1, settling(), after.new)
    expected = {"followed", "same_job", "lease_up"}
    assert Refused(guards=frozenset(expected)) == refused


@pytest.mark.parametrize("guard", ["open", "fresh", "told"])
def test_a_guard_that_is_switched_off_refuses_nothing(guard: str) -> None:
    """Guards `off`, with which witnesses show that a guard is needed."""
    loose = replace(SCOPE, off=frozenset({guard}))
    lane = allowed(model.complete(claimed(), SCOPE, 1, settling()))
    drawn = allowed(model.env_draw(lane, SCOPE))
    again: dict[str, Try] = {
        "open": lambda scope: model.rescue_deadline(
            lane,
            scope,
            {Item(1, 1, ONE)},
            Out(deferred=frozenset({Leaving(1, "retryable", 1, 2, 0, 1)})),
        ),
        "fresh": lambda scope: model.enqueue(drawn, scope, {New(2, 0, 1, 1, 1)}),
        "told": lambda scope: model.worker_start(lane, scope, 1, "started"),
    }
    assert Refused(guards=frozenset({guard})) == again[guard](SCOPE)
    assert isinstance(again[guard](loose), Lane)


def test_what_a_loose_guard_breaks_is_found() -> None:
    """Guards the properties: without `fresh`, a completed job is in two places."""
    loose = replace(SCOPE, off=frozenset({"fresh"}))
    lane = allowed(model.complete(claimed(), SCOPE, 1, settling()))
    drawn = allowed(model.env_draw(lane, SCOPE))
    after = allowed(model.enqueue(drawn, loose, {New(2, 0, 1, 1, 1)}))
    assert ["OneLivePlacePerJob"] == model.invariants(after, loose)
    assert ["RunLeaseGrows", "RefinesJobLife"] == model.step_properties(drawn, after, loose)


def test_a_key_is_held_until_its_job_lets_it_go() -> None:
    """Guards unique keys: a second job asks in vain, and takes the key over afterwards."""
    lane = allowed(model.ensure_lane(model.start(SCOPE), SCOPE))
    lane = allowed(model.env_draw(allowed(model.env_draw(lane, SCOPE)), SCOPE))
    first, second = (
        (frozenset({New(job, 0, job, 1, 1)}), More(wants=frozenset({Want(job, 1, FINISHED)})))
        for job in (1, 2)
    )
    held = allowed(model.enqueue(lane, SCOPE, *first))
    assert Refused(guards=frozenset({"unheld"})) == model.enqueue(held, SCOPE, *second)
    end = Leaving(1, "cancelled", 1, 1, 0, 1)
    free = allowed(model.cancel_pending(held, SCOPE, {Taken(1, 1)}, {end}))
    taken_over = allowed(model.enqueue(free, SCOPE, *second))
    assert {model.Key(1, 2)} == taken_over.keys
    assert [] == model.invariants(taken_over, SCOPE)
