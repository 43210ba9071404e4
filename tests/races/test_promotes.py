"""Promotions that meet each other, cancellations and enqueuers: each job becomes one entry."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fix_actions import (
    PROMOTE,
    cancel_pending,
    job_at,
    next_at,
    promote,
    snooze,
    told,
    wait_past,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Start,
    claim,
    enqueue,
    enqueue_many,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker; the lane is there."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")


def due(session: Session, count: int) -> list[int]:
    """Let jobs wait whose time has come."""
    jobs = enqueue_many(session, count)
    snooze(session, claim(session, count, token=900).row, delays_s=[0], settle_id=900)
    wait_past(session, value(session, "select max(run_at) from awa.deferred"))
    return jobs


def test_two_leaders_share_the_work(one: Session, other: Session, start: Start) -> None:
    """Guards OneLivePlacePerJob: rows held by one are left alone by the other; none waits."""
    due(one, 5)
    with other.transaction():
        assert 2 == promote(other, max_jobs=2)
        promoted, at = start(one, PROMOTE, [10, "-infinity", None]).rows()[0]
        assert 3 == promoted
        assert at < datetime.now(UTC)  # the other's: looked for again soon
    assert next_at(one) is None
    order = "select job_id from awa.ready where run_lease = 2 order by job_id"
    assert [(n,) for n in range(1, 6)] == one.execute(order).fetchall()
    assert [6, 7, 8, 9, 10] == sorted(claim(one, token=2).seqs)


def test_a_promotion_that_rolls_back_is_made_by_the_next(one: Session, other: Session) -> None:
    """Guards NoJobLost: the row is there as it was; the numbers drawn for it never appear."""
    due(one, 2)
    with other.transaction(force_rollback=True):
        assert 2 == promote(other)
        assert 0 == promote(one)
    assert 2 == promote(one)
    assert [5, 6] == claim(one, token=1).seqs


def test_a_promotion_in_flight_holds_the_cursor_back(one: Session, other: Session) -> None:
    """Guards HoleSafety: its numbers are in flight like a producer's; nothing is forgotten."""
    due(one, 2)
    with other.transaction():
        promote(other)
        enqueue(one)
        assert [5] == claim(one, token=1).seqs
    assert [3, 4] == claim(one, token=2).seqs


def test_an_operator_and_the_leader_promote_the_same_job(one: Session, other: Session) -> None:
    """Guards OneLivePlacePerJob: one of them does."""
    jobs = due(one, 1)
    with other.transaction():
        assert 1 == promote(other, *jobs)
        assert 0 == promote(one)
    assert 0 == promote(one, *jobs)
    assert ("available", 2, 1, 0) == job_at(one, jobs[0]).place


def test_a_job_deferred_before_the_arming_and_committed_after_it(
    session: NewSession, one: Session
) -> None:
    """Guards NoLostWakeup: it told nobody, so the leader hears that somebody was deferring."""
    ear, business = session(), session()
    one.execute("select awa.set_timer(clock_timestamp() + interval '1 s')")
    business.execute("begin")
    enqueue(business, delay_s=60)
    with told(ear, "select awa_name()") as heard:
        assert not value(one, "select awa.arm_timer()")
        assert 0 == promote(one)
        business.execute("commit")
    assert [] == heard
    assert value(one, "select awa.arm_timer()")
    assert next_at(one) is not None


def test_a_row_whose_time_is_long_past_when_it_commits(one: Session, other: Session) -> None:
    """Guards since: only a look at all finds what was committed behind the watermark."""
    other.execute("begin")
    enqueue(other, delay_s=0.01)
    wait_past(one, value(other, "select run_at from awa.deferred"))
    mark = value(one, "select clock_timestamp()")
    assert 0 == promote(one)
    other.execute("commit")
    assert 0 == promote(one, since=mark)
    assert next_at(one, since=mark) is None
    assert 1 == promote(one)


def test_a_document_promotes_and_cancels_meanwhile(one: Session, other: Session) -> None:
    """Guards ClosuresDisjoint: of jobs that both want, each gets those it holds."""
    jobs = due(one, 4)
    with other.transaction():
        assert 2 == promote(other, *jobs[:2])
        answers = cancel_pending(one, *jobs, settle_id=1)
        assert [("busy", "scheduled")] * 2 + [("settled", "cancelled")] * 2 == answers
    assert 0 == promote(one)
    assert next_at(one) is None
    assert 2 == len(claim(one, token=2).seqs)


def test_a_wide_future_is_read_once(one: Session) -> None:
    """Guards next_at: it looks behind since only."""
    at = datetime.now(UTC) + timedelta(days=1)
    enqueue(one, run_at=at.isoformat())
    assert at == next_at(one, since=at)
    assert next_at(one, since=at + timedelta(microseconds=1)) is None
