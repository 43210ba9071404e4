from tests.fix_actions import cancel_pending, dead_letter, dlq_move, fail, job_at, snooze
from tests.fix_database import Session
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    job_states,
    start_worker,
    value,
)


def failed(session: Session, count: int = 1) -> list[int]:
    """Enqueue jobs and fail them."""
    start_worker(session)
    jobs = enqueue_many(session, count, tags=["t"])
    token = 10 + jobs[0]
    row = claim(session, count, token=token).row
    faults = [(1, row.seqs[0], "boom", None)]
    assert [(1, "settled", row.seqs)] == fail(session, row, settle_id=token, faults=faults)
    return jobs


def test_an_ended_job_becomes_a_dead_letter(one: Session) -> None:
    """Guards dlq_move: failed or cancelled, with everything it carried; jobs no longer shows it."""
    (first,) = failed(one)
    second = enqueue(one)
    cancel_pending(one, second, settle_id=5, reason="by mistake")
    before = everything(one)
    assert [("settled", "dead_lettered")] * 2 == dlq_move(one, second, first, settle_id=6)
    assert {**before, "finals": 0, "dlq": 2} == everything(one)
    assert [] == job_states(one)
    found = job_at(one, first)
    assert ("dead_lettered", 1, 1, 0) == found.place
    assert ("terminal", ["boom"], ["t"]) == (found.reason, found.errors, found.extra["tags"])
    assert "by mistake" == job_at(one, second).reason
    assert value(one, "select bool_and(dead_at > finished_at) from awa.dead_letters")


def test_a_reason_replaces_that_of_the_end(one: Session) -> None:
    """Guards reason: what the operator says is what the next one reads."""
    (job,) = failed(one)
    dlq_move(one, job, reason="look at the address")
    assert "look at the address" == job_at(one, job).reason
    acts = one.execute("select act, state, reason from awa.acts").fetchall()
    assert [("dlq_move", "dead_lettered", "look at the address")] == acts


def test_each_job_has_its_answer_in_the_order_asked(one: Session) -> None:
    """Guards the answers: only what has ended can be moved."""
    dead = dead_letter(one)
    ended, again = failed(one, 2)
    enqueue_many(one, 3)
    row = claim(one, 2, token=1).row
    complete(one, row, seqs=row.seqs[:1], settle_id=1)
    later = enqueue(one, delay_s=60)
    dlq_move(one, again, settle_id=3)
    completed, running, available = 4, 5, 6
    asked = (99, available, ended, later, dead, running, completed, again)
    expected = [
        ("unknown", None),
        ("stale", "available"),
        ("settled", "dead_lettered"),
        ("stale", "scheduled"),
        ("stale", "dead_lettered"),
        ("stale", "running"),
        ("stale", "completed"),
        ("already", "dead_lettered"),
    ]
    assert expected == dlq_move(one, *asked, settle_id=3)
    expected[2] = ("already", "dead_lettered")
    before = everything(one)
    assert expected == dlq_move(one, *asked, settle_id=3)
    assert before == everything(one)


def test_a_row_that_somebody_has_is_busy(one: Session, other: Session) -> None:
    """Guards NoDeadlock: an act never waits for another."""
    first, second = failed(one, 2)
    with other.transaction():
        dlq_move(other, first, settle_id=1)
        assert [("busy", "failed"), ("settled", "dead_lettered")] == dlq_move(
            one, first, second, settle_id=2
        )
    assert [("stale", "dead_lettered")] == dlq_move(one, first, settle_id=2)


def test_a_job_that_goes_on_is_not_moved(one: Session) -> None:
    """Guards OneLivePlacePerJob: a snoozed job has not ended."""
    start_worker(one)
    job = enqueue(one)
    snooze(one, claim(one, token=1).row)
    assert [("stale", "scheduled")] == dlq_move(one, job)
