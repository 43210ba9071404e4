import pytest

from tests.fix_actions import (
    RESCUE_WORKER,
    configure,
    due_in_s,
    job_at,
    promote,
    rescue_worker,
    told,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    beat,
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    refused,
    row,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start two workers; six jobs are available."""
    start_worker(one, 1)
    start_worker(one, 2)
    enqueue_many(one, 6)


def lose(session: Session, job: int, token: int) -> tuple[str, int, int, int]:
    """Let a new worker claim the job and be lost."""
    worker = start_worker(session, 100 + token)
    assert 1 == len(claim(session, token=token, worker=worker, queues=["deadly"]).seqs)
    assert "running" == job_at(session, job).state
    return rescue_worker(session, worker, 0)


def test_a_lost_workers_attempts_are_given_back(one: Session) -> None:
    """Guards Reclaims: all that is open, of every call; the row goes; others are untouched."""
    complete(one, claim(one, 2, token=1).row, seqs=[1])
    claim(one, 2, token=2)
    claim(one, 1, token=3, worker=2)
    assert ("gone", 3, 0, 0) == rescue_worker(one, 1, 0)
    assert [2] == [w for (w,) in one.execute("select worker from awa.workers").fetchall()]
    assert [6, 7, 8, 9] == claim(one, token=4, worker=2).seqs
    assert ("running", 2, 1, 1) == job_at(one, 2).place
    assert ("running", 1, 1, 0) == job_at(one, 5).place
    assert ["the worker was lost"] == job_at(one, 3).errors
    assert "lost" == job_at(one, 3).extra["errors"][0]["type"]


def test_a_worker_whose_counter_moved_lives(one: Session) -> None:
    """Guards the observation: what was seen standing must still stand; else nothing is done."""
    claim(one, 2, token=1)
    beat(one, 5, 1, [1])
    before = everything(one)
    for seen in (0, 4, 6, None):
        assert ("alive", 0, 0, 0) == rescue_worker(one, 1, seen)
    assert before == everything(one)
    assert ("gone", 2, 0, 0) == rescue_worker(one, 1, 5)


def test_a_worker_without_a_row_is_rescued_whoever_asks(one: Session) -> None:
    """Guards Reclaims: strays; a second rescue finds nothing, and is no error."""
    claim(one, 2, token=1)
    one.execute("select awa.worker_stop(1)")
    assert [1] == [w for (w,) in one.execute("select awa.strays()").fetchall()]
    assert ("gone", 2, 0, 0) == rescue_worker(one, 1, None)
    before = everything(one)
    assert ("gone", 0, 0, 0) == rescue_worker(one, 1, None)
    assert ("gone", 0, 0, 0) == rescue_worker(one, 1, 7)
    assert ("gone", 0, 0, 0) == rescue_worker(one, 99, None)
    assert before == everything(one)


def test_losses_wait_longer_and_longer_and_the_sixth_ends_the_job(one: Session) -> None:
    """Guards LossBound: the first again at once, then 4, 8, 16, 32 s; then failed, crash_loop."""
    job = enqueue(one, queue="deadly", max_attempts=1)
    assert ("gone", 1, 0, 0) == lose(one, job, 1)
    assert ("available", 2, 1, 1) == job_at(one, job).place
    for loss in (2, 3, 4, 5):
        assert ("gone", 1, 0, 0) == lose(one, job, loss)
        assert ("retryable", loss, 1, loss) == job_at(one, job).place
        assert 2**loss - 3 < due_in_s(one, job) <= 2**loss
        assert 1 == promote(one, job)
    assert ("gone", 0, 1, 0) == lose(one, job, 6)
    found = job_at(one, job)
    assert ("failed", 6, 1, 6) == found.place
    assert ("crash_loop", ["the worker was lost"] * 5) == (found.reason, found.errors)


def test_a_crash_loop_is_a_dead_letter_where_the_queue_says_so(one: Session) -> None:
    """Guards the policy: it is a failure like others; its ids are counted as ended."""
    configure(one, "deadly", dead_letters=True)
    job = enqueue(one, queue="deadly")
    for loss in range(1, 7):
        found = lose(one, job, loss)
        promote(one, job)
    assert ("gone", 0, 1, 0) == found
    assert ("dead_lettered", 6, 1, 6) == job_at(one, job).place


def test_a_claim_that_somebody_settles_is_left_to_the_next_sweep(
    one: Session, other: Session
) -> None:
    """Guards NoDeadlock: a handler's transaction is not waited for; the rest is given back."""
    first = claim(one, 2, token=1).row
    claim(one, 2, token=2)
    with other.transaction():
        complete(other, first, seqs=[1])
        assert ("gone", 2, 0, 1) == rescue_worker(one, 1, 0)
    assert ("gone", 1, 0, 0) == rescue_worker(one, 1, None)
    assert ["completed", "available"] == [job_at(one, job).state for job in (1, 2)]


def test_a_sweep_is_bounded(one: Session) -> None:
    """Guards max_claims: the oldest claims first; the rest is a stray's."""
    for token in (1, 2, 3):
        claim(one, 1, token=token)
    assert ("gone", 2, 0, 0) == rescue_worker(one, 1, 0, max_claims=2)
    assert "running" == job_at(one, 3).state
    assert [1] == [w for (w,) in one.execute("select awa.strays()").fetchall()]
    assert ("gone", 1, 0, 0) == rescue_worker(one, 1, None, max_claims=2)


def test_the_rescued_worker_is_told_once(session: NewSession, one: Session) -> None:
    """Guards a worker that lives on: it hears of it, asks what ended, and is gone at its beat."""
    ear = session()
    claim(one, 2, token=1, call=3)
    with told(ear, "select ended_channel()") as heard:
        rescue_worker(one, 1, 0)
    assert ["1"] == heard
    found = one.execute("select token, outcome from awa.ended_elsewhere(1, '{[3,4)}')").fetchall()
    assert [(1, "lost")] == found
    assert ("gone", 0) == beat(one, 1, 3)
    with told(ear, "select ended_channel()") as heard:
        rescue_worker(one, 1, None)
    assert [] == heard


def test_the_next_worker_hears_of_what_is_available(session: NewSession, one: Session) -> None:
    """Guards NoLostWakeup: what a rescue gives back is claimable, so sleepers are told."""
    ear, sleeper = session(), session()
    claim(one, 6, token=1)
    sleeper.execute("select awa.sleep_on('{default}', 1000)")
    with told(ear, "select awa_name()") as heard:
        rescue_worker(one, 1, 0)
    assert ["default"] == heard


def test_a_job_that_waits_for_its_losses_is_before_the_timer(
    session: NewSession, one: Session
) -> None:
    """Guards NoLostWakeup: the second loss defers the job, and the leader hears of it."""
    ear = session()
    job = enqueue(one, queue="deadly")
    lose(one, job, 1)
    one.execute("select awa.set_timer(clock_timestamp() + interval '1 hour')")
    with told(ear, "select awa_name()") as heard:
        lose(one, job, 2)
    assert [""] == heard


def test_a_row_that_is_in_the_way_keeps_nobody_from_being_rescued(one: Session) -> None:
    """Guards the batch: many claims in several slots and lanes are one call."""
    for slot in (3, 7):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 2, queue="second", priority=1)
    claim(one, token=1, queues=["default", "second"], limits=[10, 10])
    assert ("gone", 10, 0, 0) == rescue_worker(one, 1, 0)
    again = claim(one, token=2, worker=2, queues=["default", "second"], limits=[10, 10])
    assert 10 == len(again.seqs)
    assert 10 == value(one, "select count(*) from awa.ready where losses = 1")


def test_bad_calls_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001: the field is named."""
    claim(one, 2, token=1)
    before = everything(one)
    for field, params in (
        ("worker", (None, 0, 500)),
        ("max_claims", (1, 0, 0)),
        ("max_claims", (1, 0, 501)),
        ("max_claims", (1, 0, None)),
    ):
        with refused("AW001", field):
            one.execute(RESCUE_WORKER, params)
    assert before == everything(one)
    assert (1, 0) == row(one, "select worker, beat from awa.workers where worker = 1")
