"""Rescues that meet settles, beats, claims and each other: an attempt ends once."""

import pytest

from tests.fix_actions import (
    PROMOTE,
    RESCUE_DEADLINE,
    RESCUE_WORKER,
    job_at,
    promote,
    rescue_deadline,
    rescue_worker,
    retry,
    wait_past,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Blocked,
    Row,
    Start,
    beat,
    claim,
    complete,
    enqueue_many,
    everything,
    job_states,
    release,
    start_worker,
    value,
)

HEARTBEAT = "select * from awa.heartbeat(1, 1, 0, '{}')"


@pytest.fixture
def row(one: Session) -> Row:
    """Return worker 1's claim of four numbers; worker 2 is there too."""
    start_worker(one, 1)
    start_worker(one, 2)
    enqueue_many(one, 4)
    return claim(one, token=1).row


@pytest.fixture
def late(one: Session) -> Row:
    """Return a claim of two numbers that is past its deadline."""
    start_worker(one, 1)
    enqueue_many(one, 2, deadline_s=0.01)
    found = claim(one, token=1).row
    wait_past(one, found.deadline)
    return found


def test_a_late_completion_after_the_rescue_is_stale(one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: the rescued worker's word comes too late; the job runs again."""
    rescue_worker(one, 1, 0)
    assert [(1, "stale", row.seqs)] == complete(one, row)
    again = claim(one, token=2, worker=2).row
    assert [(1, "stale", row.seqs)] == complete(one, row, settle_id=2)
    assert [(1, "settled", again.seqs)] == complete(one, again, settle_id=3)


def test_a_settle_that_holds_the_claim_is_first(one: Session, other: Session, row: Row) -> None:
    """Guards ClosuresDisjoint: the rescue answers busy and ends only what is left."""
    with other.transaction():
        complete(other, row, seqs=[1, 2])
        assert ("gone", 0, 0, 1) == rescue_worker(one, 1, 0)
    assert ("gone", 2, 0, 0) == rescue_worker(one, 1, None)
    assert ["completed"] * 2 + ["available"] * 2 == [state for _, state in job_states(one)]


def test_a_rescue_that_holds_the_claim_is_first(one: Session, other: Session, row: Row) -> None:
    """Guards ClosuresDisjoint: the settle is busy, then stale; or settles when it rolls back."""
    with other.transaction(force_rollback=True):
        assert ("gone", 4, 0, 0) == rescue_worker(other, 1, 0)
        assert [(1, "busy", row.seqs)] == complete(one, row, seqs=row.seqs)
    assert [(1, "settled", [1])] == complete(one, row, seqs=[1])
    with other.transaction():
        assert ("gone", 3, 0, 0) == rescue_worker(other, 1, 0)
        assert [(1, "busy", [2])] == retry(one, row, seqs=[2], settle_id=2)
    assert [(1, "stale", [2])] == retry(one, row, seqs=[2], settle_id=2)


def test_a_beat_that_waits_for_a_rescue_hears_that_it_is_gone(
    one: Session, other: Session, row: Row, start: Start, blocked: Blocked
) -> None:
    """Guards the worker's row: it goes first, so a late beat cannot bring the worker back."""
    with other.transaction():
        rescue_worker(other, 1, 0)
        late_beat = start(one, HEARTBEAT)
        blocked(late_beat.pid)
    assert [("gone", 0, 0)] == late_beat.rows()
    assert 1 == value(one, "select count(*) from awa.workers")


def test_a_rescue_that_waits_for_a_beat_sees_that_the_worker_lives(
    one: Session, other: Session, row: Row, start: Start, blocked: Blocked
) -> None:
    """Guards the observation: the counter moved while the rescue waited; nothing is done."""
    before = everything(one)
    with other.transaction():
        assert ("alive", 0) == beat(other, 1, 0)
        rescue = start(one, RESCUE_WORKER, [1, 0, 500])
        blocked(rescue.pid)
    assert [("alive", 0, 0, 0)] == rescue.rows()
    assert before == everything(one)


def test_a_claim_that_commits_after_its_worker_was_rescued_is_a_strays(
    one: Session, other: Session, row: Row
) -> None:
    """Guards Reclaims: the rescue cannot see it; the sweep over workers without a row finds it."""
    enqueue_many(one, 2)
    with other.transaction():
        assert [5, 6] == claim(other, token=2).seqs
        assert ("gone", 4, 0, 0) == rescue_worker(one, 1, 0)
    assert [(1,)] == one.execute("select distinct s from awa.strays() s").fetchall()
    assert ("running", 1, 1, 0) == job_at(one, 5).place
    assert ("gone", 2, 0, 0) == rescue_worker(one, 1, None)
    assert ("available", 2, 1, 1) == job_at(one, 5).place


def test_two_rescues_of_one_worker_share_it(
    one: Session, other: Session, row: Row, start: Start, blocked: Blocked
) -> None:
    """Guards LossBound: two leaders count one loss."""
    with other.transaction():
        assert ("gone", 4, 0, 0) == rescue_worker(other, 1, 0)
        second = start(one, RESCUE_WORKER, [1, 0, 500])
        blocked(second.pid)
    assert [("gone", 0, 0, 0)] == second.rows()
    assert ("available", 2, 1, 1) == job_at(one, 1).place


def test_a_rescue_against_a_reconcile_counts_one_loss(
    one: Session, other: Session, row: Row
) -> None:
    """Guards LossBound: the beat released them first; the rescue finds nothing open."""
    with other.transaction():
        assert ("alive", 4) == beat(other, 1, 1)
    assert ("gone", 0, 0, 0) == rescue_worker(one, 1, 1)
    assert ("available", 2, 1, 1) == job_at(one, 4).place


def test_a_reconcile_against_a_completion(one: Session, other: Session, row: Row) -> None:
    """Guards ClosuresDisjoint: a completion that was under way is not a loss."""
    with other.transaction():
        complete(other, row, seqs=[1, 2])
        assert ("alive", 0) == beat(one, 1, 1)
    with other.transaction():
        assert ("alive", 2) == beat(other, 12, 1)
        assert [(1, "busy", [3])] == complete(one, row, seqs=[3], settle_id=2)
    assert [(1, "stale", [3])] == complete(one, row, seqs=[3], settle_id=2)


def test_a_retry_against_the_deadline(one: Session, other: Session, late: Row) -> None:
    """Guards OneLivePlacePerJob: whoever holds the claim defers the job; the other is told."""
    with other.transaction():
        assert [(1, "settled", [1])] == retry(other, late, seqs=[1], faults=[(1, 1, "mine", 60.0)])
        assert (0, 0, 1) == rescue_deadline(one)
    with other.transaction():
        assert (1, 0, 0) == rescue_deadline(other)
        assert [(1, "busy", [2])] == retry(one, late, seqs=[2], settle_id=2)
    assert [(1, "stale", [2])] == retry(one, late, seqs=[2], settle_id=2)
    assert [["mine"], ["deadline exceeded"]] == [job_at(one, job).errors for job in (1, 2)]


def test_a_deadline_against_a_release(one: Session, other: Session, late: Row) -> None:
    """Guards OneLivePlacePerJob: a released attempt is not also past its deadline."""
    with other.transaction():
        release(other, late)
        assert (0, 0, 1) == rescue_deadline(one)
    assert (0, 0, 0) == rescue_deadline(one)
    assert ["available", "available"] == [state for _, state in job_states(one)]


def test_a_rescue_goes_on_beside_a_claim_and_a_producer_of_its_lane(
    session: NewSession, one: Session, other: Session, row: Row
) -> None:
    """Guards NoDeadlock: giving back draws numbers like a producer; nobody waits."""
    producer = session()
    enqueue_many(one, 1)
    with other.transaction(), producer.transaction():
        assert [5] == claim(other, token=2, worker=2).seqs
        enqueue_many(producer, 2)
        assert ("gone", 4, 0, 0) == rescue_worker(one, 1, 0)
    assert [6, 7, 8, 9, 10, 11] == claim(one, token=3, worker=2).seqs


def test_a_promotion_of_what_a_rescue_is_deferring_comes_after_it(
    one: Session, other: Session, late: Row, start: Start
) -> None:
    """Guards OneLivePlacePerJob: a row that is not committed is promoted by nobody."""
    with other.transaction():
        assert (2, 0, 0) == rescue_deadline(other)
        assert [(0, None)] == start(one, PROMOTE, [10, "-infinity", [1, 2]]).rows()
        assert [(0, 0, 1, None)] == start(one, RESCUE_DEADLINE, [500, "-infinity", 0]).rows()
    assert 2 == promote(one, 1, 2)
