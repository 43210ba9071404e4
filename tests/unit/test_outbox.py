"""Outcomes on their way: batches within every bound, nothing left out."""

import pytest

from awa._runtime.ledger import Held
from awa._runtime.limits import (
    FLUSH_AGE_S,
    FLUSH_JOBS,
    FLUSH_WAITING_AGE_S,
    SETTLE_JOBS_MAX,
)
from awa._runtime.outbox import Action, Batch, Detail, Outbox, Parcel, flush_in_s


def held(part: int = 1) -> Held:
    """Return one claims row."""
    return Held(
        queue="q",
        priority=2,
        call=1,
        token=7,
        slot=0,
        part=part,
        deadline_s=float("inf"),
        taken_s=0.0,
        jobs=10_000,
    )


def box(**outcomes: list[int]) -> Outbox:
    """Return an outbox with these numbers, by claims row (`p1=[...]`)."""
    made = Outbox(Action.COMPLETE)
    for name, seqs in outcomes.items():
        row = held(int(name[1:]))
        for seq in seqs:
            made.put(row, seq)
    return made


def numbers(batch: Batch) -> list[tuple[int, list[int]]]:
    """Return what a batch says, by part."""
    return [(parcel.held.part, parcel.seqs) for parcel in batch.parcels]


def test_a_batch_has_one_parcel_per_claims_row_with_sorted_numbers() -> None:
    """Guards the cost: completing five hundred jobs of one claim is one item."""
    full = box(p1=[3, 1, 2], p2=[9])
    assert [(1, [1, 2, 3]), (2, [9])] == numbers(full.take())
    assert 0 == full.jobs


def test_a_batch_keeps_to_its_bounds_and_the_rest_stays() -> None:
    """Guards LimitExceeded: more than a call may carry goes into the next one."""
    full = Outbox(Action.COMPLETE)
    for part in range(600):
        full.put(held(part), 1)
    first, second = full.take(), full.take()
    assert (500, 100) == (first.jobs(), second.jobs())
    many = box(p1=list(range(1, SETTLE_JOBS_MAX + 1)), p2=[1])
    assert SETTLE_JOBS_MAX == many.take().jobs()
    assert 1 == many.jobs


def test_busy_numbers_go_back_with_their_results() -> None:
    """Guards results: an outcome that has to be sent again is sent whole."""
    full = Outbox(Action.COMPLETE)
    row = held()
    full.put(row, 1)
    full.put_detail(row, Detail(2, b'"x"'))
    (parcel,) = full.take().parcels
    full.put_back(parcel, [2])
    (again,) = full.take().parcels
    assert ([2], [Detail(2, b'"x"')]) == (again.seqs, again.details)


def test_a_refused_batch_is_halved_down_to_one_job() -> None:
    """Guards the company of one bad result: the others are settled without it."""
    full = Outbox(Action.COMPLETE)
    row = held()
    for seq in (1, 2, 3):
        full.put_detail(row, Detail(seq, b"0"))
    seen = []
    batches = [full.take()]
    while batches:
        batch = batches.pop()
        halves = batch.halves()
        if halves is None:
            (parcel,) = batch.parcels
            seen.append((parcel.seqs, parcel.details))
        else:
            batches += halves
    assert [([seq], [Detail(seq, b"0")]) for seq in (1, 2, 3)] == sorted(seen)


def test_a_call_names_a_claims_row_once_whatever_delays_its_jobs_have() -> None:
    """Guards snoozes: two delays in one claims row are two calls, other rows go along."""
    full = Outbox(Action.SNOOZE)
    first, second = held(1), held(2)
    for row, seq, delay_s in ((first, 1, 5.0), (first, 2, 9.0), (second, 3, 9.0), (first, 4, 5.0)):
        full.put_sharing(row, seq, delay_s)
    said = [
        [(parcel.held.part, parcel.seqs, parcel.shared) for parcel in full.take().parcels]
        for _ in range(2)
    ]
    assert [[(1, [1, 4], 5.0), (2, [3], 9.0)], [(1, [2], 9.0)]] == said
    assert 0 == full.jobs


def test_a_cancel_has_one_reason() -> None:
    """Guards reasons: a call has one for all its items, so the others wait for the next."""
    full = Outbox(Action.CANCEL)
    full.put_sharing(held(1), 1, "a")
    full.put_sharing(held(2), 2, "b")
    full.put_sharing(held(3), 3, "a")
    first, second = full.take(), full.take()
    assert [(1, [1]), (3, [3])] == numbers(first)
    assert [(2, [2])] == numbers(second)
    (parcel,) = second.parcels
    full.put_back(parcel, [2])
    assert ["b"] == [parcel.shared for parcel in full.take().parcels], "sent again as it was"


def test_what_is_refused_is_said_in_milder_words_until_nothing_is_left() -> None:
    """Guards the worker from outcomes nobody can store: the job goes on, the loop goes on."""
    row = held()
    batch: Batch | None = Batch(
        action=Action.COMPLETE, parcels=(Parcel(row, [1], [Detail(1, b"bad")]),)
    )
    said = []
    while batch is not None:
        said.append((batch.action, [detail.text for detail in batch.parcels[0].details]))
        batch = batch.milder(b"why")
    assert [
        (Action.COMPLETE, [b"bad"]),
        (Action.RETRY, [b"why"]),
        (Action.RETRY, []),
        (Action.RELEASE, []),
    ] == said
    cancel = Batch(action=Action.CANCEL, parcels=(Parcel(row, [1], shared="bad"),))
    milder = cancel.milder(b"why")
    assert milder is not None
    assert (Action.CANCEL, None) == (milder.action, milder.parcels[0].shared)


def complete_in_s(*, jobs: int, age_s: float, idle: bool) -> float | None:
    """Return when completions are worth a call."""
    return flush_in_s(action=Action.COMPLETE, jobs=jobs, age_s=age_s, idle=idle)


def test_outcomes_are_flushed_by_number_by_age_and_when_idle() -> None:
    """Guards both ends: full batches under load, no waiting without it."""
    assert None is complete_in_s(jobs=0, age_s=0, idle=True)
    assert 0 == complete_in_s(jobs=1, age_s=0, idle=True)
    assert 0 == complete_in_s(jobs=FLUSH_JOBS, age_s=0, idle=False)
    assert FLUSH_AGE_S == complete_in_s(jobs=1, age_s=0, idle=False)
    assert 0 == complete_in_s(jobs=1, age_s=1, idle=False)


@pytest.mark.parametrize("action", [Action.RETRY, Action.SNOOZE])
def test_an_outcome_that_makes_its_job_wait_waits_longer_for_company(action: Action) -> None:
    """Guards throughput where some jobs fail: not a call for each few of them."""
    waits_s = flush_in_s(action=action, jobs=1, age_s=0, idle=False)
    assert FLUSH_WAITING_AGE_S == waits_s
    assert 0 == flush_in_s(action=action, jobs=1, age_s=0, idle=True)
