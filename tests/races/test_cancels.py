"""Cancellation that meets claims, promotions and settles: a job is cancelled, or it goes on."""

import pytest

from tests.fix_actions import (
    CANCEL_PENDING,
    cancel_pending,
    cancel_running,
    due_in_s,
    job_at,
    promote,
    rescue_worker,
    retry,
    snooze,
)
from tests.fix_database import Session
from tests.fix_sql import (
    CLAIM,
    Start,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    enqueue_many,
    everything,
    release,
    start_worker,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker; the lane is there."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")


@pytest.mark.parametrize("rolls_back", [False, True])
def test_a_claim_first(one: Session, other: Session, rolls_back: bool) -> None:
    """Guards EntryClaimedOnce: its lane is busy; after it the job runs, or does not."""
    enqueue_many(one, 2)
    with other.transaction(force_rollback=rolls_back):
        assert [1] == claim(other, 1, token=1).seqs
        assert [("busy", "available")] * 2 == cancel_pending(one, 1, 2, settle_id=1)
    first = ("settled", "cancelled") if rolls_back else ("stale", "running")
    assert [first, ("settled", "cancelled")] == cancel_pending(one, 1, 2, settle_id=1)


@pytest.mark.parametrize("rolls_back", [False, True])
def test_a_cancellation_first(one: Session, other: Session, rolls_back: bool) -> None:
    """Guards EntryClaimedOnce: the lane is busy; then the withdrawn number is passed, or taken."""
    enqueue_many(one, 2)
    with other.transaction(force_rollback=rolls_back):
        assert [("settled", "cancelled")] == cancel_pending(other, 1, settle_id=1)
        assert ["default"] == claim(one, token=1).busy
    assert ([1, 2] if rolls_back else [2]) == claim(one, token=1).seqs


def test_a_claim_that_waits_for_its_token_sees_the_cancellation(
    one: Session, other: Session, start: Start
) -> None:
    """Guards the snapshot: what was withdrawn before the lane's lock was got is not taken."""
    enqueue_many(one, 3)
    with other.transaction():
        cancel_pending(other, 2, settle_id=1)
    found = claimed(start(one, CLAIM, claim_params(token=1)).rows(), 1)
    assert [1, 3] == found.seqs


def test_a_promotion_first(one: Session, other: Session) -> None:
    """Guards OneLivePlacePerJob: the row is held: busy; then the job is an entry, and withdrawn."""
    job = enqueue(one, delay_s=60)
    with other.transaction():
        assert 1 == promote(other, job)
        assert [("busy", "scheduled")] == cancel_pending(one, job, settle_id=1)
    assert [("settled", "cancelled")] == cancel_pending(one, job, settle_id=1)
    assert ("cancelled", 1, 1, 0) == job_at(one, job).place
    assert ["default"] == claim(one, token=1).busy


def test_a_cancellation_before_a_promotion(one: Session, other: Session) -> None:
    """Guards OneLivePlacePerJob: the promotion leaves the row alone; it is gone, or still there."""
    job = enqueue(one, delay_s=60)
    with other.transaction(force_rollback=True):
        cancel_pending(other, job, settle_id=1)
        assert 0 == promote(one, job)
    with other.transaction():
        cancel_pending(other, job, settle_id=1)
        assert 0 == promote(one, job)
    assert 0 == promote(one, job)
    assert ("cancelled", 0, 1, 0) == job_at(one, job).place


def test_the_same_cancellation_twice_at_once(one: Session, other: Session, start: Start) -> None:
    """Guards the settle id: a repeat that meets its first is busy, then already."""
    available, deferred = enqueue(one), enqueue(one, delay_s=60)
    with other.transaction():
        cancel_pending(other, available, deferred, settle_id=1)
        repeat = start(one, CANCEL_PENDING, [1, [available, deferred], None]).rows()
        assert [("busy", "available"), ("busy", "scheduled")] == repeat
    before = everything(one)
    assert [("already", "cancelled")] * 2 == cancel_pending(one, available, deferred, settle_id=1)
    assert before == everything(one)


def test_cancelling_what_is_being_given_back(one: Session, other: Session) -> None:
    """Guards OneLivePlacePerJob: until the release commits the job runs; then it is pending."""
    enqueue(one)
    row = claim(one, token=1).row
    with other.transaction():
        release(other, row)
        assert [("stale", "running")] == cancel_pending(one, 1, settle_id=1)
    assert [("settled", "cancelled")] == cancel_pending(one, 1, settle_id=1)


def test_cancelling_what_is_being_deferred(one: Session, other: Session) -> None:
    """Guards OneLivePlacePerJob: retried and snoozed jobs are theirs until the commit."""
    enqueue_many(one, 2)
    row = claim(one, token=1).row
    with other.transaction():
        retry(other, row, seqs=[1], settle_id=1)
        snooze(other, row, seqs=[2], settle_id=2)
        assert [("stale", "running")] * 2 == cancel_pending(one, 1, 2, settle_id=3)
    assert due_in_s(one, 2) > 0
    assert [("settled", "cancelled")] * 2 == cancel_pending(one, 1, 2, settle_id=3)


def test_an_operator_against_the_worker(one: Session, other: Session) -> None:
    """Guards ClosuresDisjoint: one of cancelling and completing gets each number."""
    enqueue_many(one, 3)
    row = claim(one, token=1).row
    with other.transaction():
        cancel_running(other, row, seqs=[1], worker=None, settle_id=1)
        assert [(1, "busy", [1, 2])] == complete(one, row, seqs=[1, 2], settle_id=2)
    assert [(1, "settled", [2]), (1, "stale", [1])] == complete(one, row, seqs=[1, 2], settle_id=2)
    with other.transaction():
        complete(other, row, seqs=[3], settle_id=3)
        assert [(1, "busy", [3])] == cancel_running(one, row, seqs=[3], worker=None, settle_id=4)
    assert [(1, "stale", [3])] == cancel_running(one, row, seqs=[3], worker=None, settle_id=4)


def test_an_operator_against_a_rescue(one: Session, other: Session) -> None:
    """Guards FinalForGood: cancelled while its worker is rescued: the one or the other."""
    enqueue_many(one, 2)
    row = claim(one, token=1).row
    with other.transaction():
        cancel_running(other, row, seqs=[1], worker=None)
        assert ("gone", 0, 0, 1) == rescue_worker(one, 1, 0)
    assert ("gone", 1, 0, 0) == rescue_worker(one, 1, None)
    assert ["cancelled", "available"] == [job_at(one, job).state for job in (1, 2)]


def test_two_cancellations_share_a_batch(one: Session, other: Session) -> None:
    """Guards NoDeadlock: crosswise batches over two lanes tell each other busy."""
    first = enqueue(one, queue="a"), enqueue(one, queue="b")
    second = enqueue(one, queue="b"), enqueue(one, queue="a")
    with other.transaction():
        assert [("settled", "cancelled")] == cancel_pending(other, first[0], settle_id=1)
        with one.transaction():
            assert [("settled", "cancelled"), ("busy", "available")] == cancel_pending(
                one, *second, settle_id=2
            )
