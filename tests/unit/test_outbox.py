"""Outcomes on their way: batches within every bound, nothing left out."""

from awa._runtime.ledger import Held
from awa._runtime.limits import FLUSH_AGE_S, FLUSH_JOBS, SETTLE_JOBS_MAX
from awa._runtime.outbox import Action, Batch, Outbox, flush_in_s


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
    full.put_result(row, 2, b'"x"')
    (parcel,) = full.take().parcels
    full.put_back(parcel, [2])
    (again,) = full.take().parcels
    assert ([2], [(2, b'"x"')]) == (again.seqs, again.results)


def test_a_refused_batch_is_halved_down_to_one_job() -> None:
    """Guards the company of one bad result: the others are settled without it."""
    full = Outbox(Action.COMPLETE)
    row = held()
    for seq in (1, 2, 3):
        full.put_result(row, seq, b"0")
    seen = []
    batches = [full.take()]
    while batches:
        batch = batches.pop()
        halves = batch.halves()
        if halves is None:
            (parcel,) = batch.parcels
            seen.append((parcel.seqs, parcel.results))
        else:
            batches += halves
    assert [([1], [(1, b"0")]), ([2], [(2, b"0")]), ([3], [(3, b"0")])] == sorted(seen)


def test_outcomes_are_flushed_by_number_by_age_and_when_idle() -> None:
    """Guards both ends: full batches under load, no waiting without it."""
    assert None is flush_in_s(jobs=0, age_s=0, idle=True)
    assert 0 == flush_in_s(jobs=1, age_s=0, idle=True)
    assert 0 == flush_in_s(jobs=FLUSH_JOBS, age_s=0, idle=False)
    assert FLUSH_AGE_S == flush_in_s(jobs=1, age_s=0, idle=False)
    assert 0 == flush_in_s(jobs=1, age_s=1, idle=False)
