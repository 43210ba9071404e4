from tests.fix_actions import (
    CANCEL_PENDING,
    cancel_pending,
    dead_letter,
    dlq_move,
    dlq_retry,
    fail,
    job_at,
    promote,
    retry,
)
from tests.fix_database import Session
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    refused,
    start_worker,
    value,
)


def test_available_and_waiting_jobs_end_as_cancelled(one: Session) -> None:
    """Guards cancel_pending: entries are withdrawn, deferred rows go; each becomes a final row."""
    start_worker(one)
    enqueue_many(one, 3)
    later = enqueue(one, delay_s=60, tags=["t"])
    row = claim(one, 1, token=1).row
    retry(one, row)
    before = everything(one)
    assert [("settled", "cancelled")] * 3 == cancel_pending(one, later, 1, 2, reason="why")
    assert {
        **before,
        "closures": before["closures"] + 1,
        "deferred": 0,
        "finals": 3,
    } == everything(one)
    assert [("cancelled", 1, 2, 0), ("cancelled", 1, 1, 0), ("cancelled", 0, 1, 0)] == [
        job_at(one, job).place for job in (1, 2, later)
    ]
    assert ("why", {"tags": ["t"]}) == (job_at(one, later).reason, job_at(one, later).extra)
    assert [3] == claim(one, token=2).seqs
    assert 0 == promote(one, later, 1)


def test_each_job_has_its_answer_in_the_order_asked(one: Session) -> None:
    """Guards the answers: stale says where the job is instead; unknown was never there."""
    dead = dead_letter(one)
    enqueue_many(one, 5)
    row = claim(one, 3, token=1).row
    complete(one, row, seqs=[1], settle_id=1)
    fail(one, row, seqs=[2], settle_id=2)
    assert [("settled", "cancelled")] == cancel_pending(one, 5, settle_id=8)
    completed, failed, running, available, cancelled = 2, 3, 4, 6, 5
    asked = (99, running, cancelled, available, dead, failed, completed)
    expected = [
        ("unknown", None),
        ("stale", "running"),
        ("stale", "cancelled"),
        ("settled", "cancelled"),
        ("stale", "dead_lettered"),
        ("stale", "failed"),
        ("stale", "completed"),
    ]
    assert expected == cancel_pending(one, *asked, settle_id=9)
    expected[3] = ("already", "cancelled")
    before = everything(one)
    assert expected == cancel_pending(one, *asked, settle_id=9)
    assert before == everything(one)


def test_a_late_repeat_does_not_cancel_a_job_that_came_back(one: Session) -> None:
    """Guards the settle id: it speaks of the job as it was; a new life needs a new act."""
    start_worker(one)
    job = enqueue(one)
    assert [("settled", "cancelled")] == cancel_pending(one, job, settle_id=1)
    dlq_move(one, job, settle_id=2)
    assert [("settled", "available")] == dlq_retry(one, job, settle_id=3)
    assert [("already", "cancelled")] == cancel_pending(one, job, settle_id=1)
    assert [("available", 2, 1, 0)] == [job_at(one, job).place]
    assert [("settled", "cancelled")] == cancel_pending(one, job, settle_id=4)


def test_a_lane_that_is_being_claimed_from_is_busy(one: Session, other: Session) -> None:
    """Guards NoDeadlock: an act never waits for a claim; other lanes' jobs are not kept back."""
    start_worker(one)
    enqueue_many(one, 2)
    enqueue(one, queue="second")
    later = enqueue(one, delay_s=60)
    with other.transaction():
        claim(other, 1, token=1)
        assert [
            ("busy", "available"),
            ("settled", "cancelled"),
            ("settled", "cancelled"),
        ] == cancel_pending(one, 2, 3, later, settle_id=1)
    assert [("settled", "cancelled")] == cancel_pending(one, 2, settle_id=1)


def test_what_was_done_is_written_down(one: Session) -> None:
    """Guards the log of acts: who asks later sees what, when and why."""
    enqueue_many(one, 2)
    cancel_pending(one, 1, 99, settle_id=-5, reason="a flood")
    assert [(-5, 1, "cancel_pending", "cancelled", "a flood")] == one.execute(
        "select settle_id, job_id, act, state, reason from awa.acts"
    ).fetchall()


def test_nothing_to_do_is_done(one: Session) -> None:
    """Guards the edge: no jobs, no answer, no row."""
    before = everything(one)
    assert [] == cancel_pending(one)
    assert before == everything(one)


def test_bad_acts_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001 and AW004 for every act on jobs: distinct ids, at most 500."""
    enqueue_many(one, 2)
    before = everything(one)
    for act in ("cancel_pending", "dlq_move", "dlq_retry", "dlq_purge"):
        statement = CANCEL_PENDING.replace("cancel_pending", act).replace(", %s) order", ") order")
        for field, params in (
            ("settle_id", (None, [1])),
            ("job_ids", (1, None)),
            ("job_ids", (1, [1, None])),
            ("job_ids", (1, [1, 1])),
            ("job_ids", (1, [[1], [2]])),
        ):
            with refused("AW001", field):
                one.execute(statement, params)
        with refused("AW004", "500"):
            one.execute(statement, (1, list(range(501))))
        assert 500 == len(one.execute(statement, (1, list(range(1000, 1500)))).fetchall())
    assert before == everything(one)
    assert 0 == value(one, "select count(*) from awa.acts")
