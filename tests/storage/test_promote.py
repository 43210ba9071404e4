from datetime import timedelta

import pytest

from tests.fix_actions import (
    PROMOTE,
    configure,
    due_in_s,
    job_at,
    next_at,
    promote,
    retry,
    snooze,
    told,
    wait_past,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    claim,
    enqueue,
    enqueue_many,
    everything,
    refused,
    release,
    row,
    start_worker,
    value,
)

SOON_S = 0.05
MINUTE = timedelta(minutes=1)


def scheduled(session: Session, *delays_s: float, **opts: object) -> list[int]:
    """Enqueue a job for each of these delays."""
    return [enqueue(session, delay_s=delay_s, **opts) for delay_s in delays_s]


def snoozed(session: Session, *delays_s: float) -> None:
    """Let a job (1, 2, ...) wait for each of these delays, from one instant on."""
    enqueue_many(session, len(delays_s))
    rows = [claim(session, 1, token=token).row for token, _ in enumerate(delays_s, 1)]
    snooze(session, *rows, delays_s=delays_s)


def all_due(session: Session) -> None:
    """Wait until the last deferred job is due."""
    wait_past(session, value(session, "select max(run_at) from awa.deferred"))


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start the worker."""
    start_worker(one)


def test_a_job_for_later_is_scheduled_and_then_promoted(one: Session) -> None:
    """Guards run_at and delay_s: no entry before the time, the first entry after it."""
    assert (1, "scheduled", False, "inserted") == row(
        one, """select * from awa.enqueue('k', '{}', '{"delay_s": 0.05, "tags": ["t"]}')"""
    )
    assert ("scheduled", 0, 1, 0) == job_at(one, 1).place
    assert ["default"] == claim(one, token=1).empty
    all_due(one)
    before = everything(one)
    assert 1 == promote(one)
    after = {**before, "deferred": before["deferred"] - 1, "ready": before["ready"] + 1}
    assert after == everything(one)
    assert ("available", 1, 1, 0) == job_at(one, 1).place
    # Its id is old and its number is new, which pages have to know.
    assert {"tags": ["t"], "apart": True} == job_at(one, 1).extra
    assert [1] == claim(one, token=2).seqs


def test_a_time_in_the_past_is_now(one: Session) -> None:
    """Guards run_at: what is due already goes to its lane at once."""
    enqueue(one, run_at="2001-01-01T00:00:00+00:00")
    enqueue(one, delay_s=0)
    later = enqueue(one, run_at="2100-01-01T00:00:00Z")
    assert ["available", "available", "scheduled"] == [job_at(one, n).state for n in (1, 2, later)]
    assert "2100-01-01" == value(one, "select run_at::date::text from awa.deferred")


def test_a_document_may_hold_both(one: Session) -> None:
    """Guards enqueue_many: each job by its own options, the answers in its order."""
    found = one.execute(
        """select state from awa.enqueue_many('[{"kind": "k", "args": 1, "opts": {"delay_s": 60}},
        {"kind": "k", "args": 2}, {"kind": "k", "args": 3, "opts": {"delay_s": 200}}]')"""
    ).fetchall()
    assert [("scheduled",), ("available",), ("scheduled",)] == found
    assert 55 < due_in_s(one, 1) <= 60
    assert 195 < due_in_s(one, 3) <= 200


def test_what_is_due_is_promoted_in_the_order_of_its_time(one: Session) -> None:
    """Guards FIFO among scheduled jobs: numbers follow run_at, not the order of enqueuing."""
    snoozed(one, 0.2, 0, 0.1, 60)
    wait_past(one, value(one, "select run_at from awa.deferred where job_id = 1"))
    assert 3 == promote(one)
    order = "select job_id from awa.ready where run_lease = 2 order by seq"
    assert [(2,), (3,), (1,)] == one.execute(order).fetchall()
    assert 0 == promote(one)
    assert "scheduled" == job_at(one, 4).state


def test_a_call_takes_no_more_than_asked_the_earliest_first(one: Session) -> None:
    """Guards max_jobs: the rest is due, so next_at is in the past."""
    snoozed(one, 0.2, 0.1, 0)
    all_due(one)
    promoted, at = row(one, PROMOTE, [2, "-infinity", None])
    assert 2 == promoted
    assert value(one, "select %s = run_at and run_at < clock_timestamp() from awa.deferred", [at])
    order = "select job_id from awa.ready where run_lease = 2 order by seq"
    assert [(3,), (2,)] == one.execute(order).fetchall()


def test_the_next_time_is_the_earliest_that_is_left(one: Session) -> None:
    """Guards next_at: null without deferred jobs; never earlier than since."""
    assert (0, None) == row(one, PROMOTE, [10, "-infinity", None])
    scheduled(one, 100, 50)
    at = value(one, "select min(run_at) from awa.deferred")
    assert at == next_at(one)
    assert at + timedelta(seconds=1) < next_at(one, since=at + timedelta(seconds=1))
    assert next_at(one, since=at + 2 * MINUTE) is None


def test_since_leaves_earlier_jobs_to_a_look_at_all(one: Session) -> None:
    """Guards the watermark: the dead entries of past promotions are not read again and again."""
    scheduled(one, 0.01, 0.05)
    all_due(one)
    since = value(one, "select max(run_at) from awa.deferred")
    assert (1, None) == row(one, PROMOTE, [10, since, None])
    assert "scheduled" == job_at(one, 1).state
    assert (1, None) == row(one, PROMOTE, [10, None, None])
    assert 1 == claim(one, token=1).seqs[0]


def test_an_operator_promotes_jobs_whatever_their_time(one: Session) -> None:
    """Guards job_ids: these and no others; who is not deferred is left alone."""
    jobs = scheduled(one, 60, 60, 0.01)
    running = enqueue(one)
    claim(one, token=1)
    all_of_them = one.execute("select count(*) from awa.ready").fetchone()
    assert (1,) == all_of_them
    assert 1 == promote(one, jobs[1], running, 999)
    assert ["scheduled", "available", "scheduled"] == [job_at(one, job).state for job in jobs]
    assert "running" == job_at(one, running).state
    assert 0 == promote(one, jobs[1])
    assert (0,) == row(one, PROMOTE, [10, "infinity", []])[:1]


def test_jobs_return_to_their_own_lanes(one: Session) -> None:
    """Guards the lane: queue, priority and shard are those the job came from."""
    configure(one, "wide", enqueue_shards=4)
    keys = [f"customer-{n}" for n in range(12)]
    for key in keys:
        enqueue(one, queue="wide", priority=3, ordering_key=key)
    lanes = "select job_id, lane from awa.{} order by job_id"
    before = one.execute(lanes.format("ready")).fetchall()
    assert len({lane for _, lane in before}) > 1
    rows = claim(one, 20, token=1, queues=["wide"]).rows
    snooze(one, *rows, delays_s=[0] * len(rows))
    assert before == one.execute(lanes.format("deferred")).fetchall()
    assert 12 == promote(one)
    again = one.execute(
        "select job_id, lane from awa.ready where run_lease = 2 order by job_id"
    ).fetchall()
    assert before == again


def test_a_promoted_attempt_is_the_one_that_was_written_down(one: Session) -> None:
    """Guards RunLeaseGrows: run_lease + 1; attempt and losses as they were."""
    enqueue(one)
    retry(one, claim(one, token=1).row)
    promote(one, 1)
    again = claim(one, token=2).row
    release(one, again, settle_id=2)
    assert (3, 2, 0) == row(
        one, "select run_lease, attempt, losses from awa.ready order by run_lease desc limit 1"
    )


def test_a_sleeper_is_woken(session: NewSession, one: Session) -> None:
    """Guards NoLostWakeup: a promoted entry is claimable, so a sleeper of its queue is told."""
    ear, sleeper = session(), session()
    (job,) = scheduled(one, 60, queue="second")
    sleeper.execute("select awa.sleep_on('{second}', 1000)")
    with told(ear, "select awa_name()") as heard:
        promote(one, job)
    assert ["second"] == heard


def test_a_job_before_the_timer_is_told_to_the_leader(session: NewSession, one: Session) -> None:
    """Guards NoLostWakeup: with an empty payload, if and only if it is earlier; then once."""
    ear = session()
    one.execute("select awa.ensure_lane('default')")
    one.execute("select awa.set_timer(clock_timestamp() + interval '100 s')")
    for delays_s, expected in (((200,), []), ((50,), [""]), ((10, 20), ["", ""]), ((0,), [])):
        with told(ear, "select awa_name()") as heard:
            scheduled(one, *delays_s)
        assert expected == heard
    with told(ear, "select awa_name()") as heard:
        enqueue_many(one, 3, delay_s=10)
    assert [""] == heard
    one.execute("select awa.arm_timer()")
    with told(ear, "select awa_name()") as heard:
        enqueue(one, delay_s=86400 * 365)
    assert [""] == heard
    one.execute("set awa.notify = off")
    with told(ear, "select awa_name()") as heard:
        enqueue(one, delay_s=1)
    assert [] == heard


def test_bad_calls_are_refused(one: Session) -> None:
    """Guards AW001: max_jobs is bounded."""
    scheduled(one, 60)
    for max_jobs in (None, 0, -1, 10_001):
        with refused("AW001", "max_jobs"):
            one.execute(PROMOTE, [max_jobs, "-infinity", None])
    assert "scheduled" == job_at(one, 1).state


@pytest.mark.bulk
def test_ten_thousand_at_once(one: Session) -> None:
    """Guards the bound: a call promotes as many as it may, in order."""
    jobs = enqueue_many(one, 10_001, delay_s=60)
    assert 10_000 == promote(one, *jobs, max_jobs=10_000)
    order = "select job_id from awa.ready order by seq limit 10000"
    found = one.execute(order).fetchall()
    assert sorted(found) == found
    assert 1 == promote(one, *jobs, max_jobs=10_000)
    assert 0 == value(one, "select count(*) from awa.deferred")
