import pytest

from tests.fix_actions import claim_again, configure, fail, job_at, retry, told
from tests.fix_database import NewSession, Session
from tests.fix_sql import Row, claim, enqueue, enqueue_many, start_worker, value


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4."""
    start_worker(one)
    enqueue_many(one, 4)
    return claim(one, token=1).row


def test_a_failed_job_ends_whatever_attempts_it_had_left(one: Session, row: Row) -> None:
    """Guards fail: terminal; attempt and run_lease are those of its last entry."""
    assert [(1, "settled", [2])] == fail(one, row, seqs=[2], faults=[(1, 2, "never again", None)])
    found = job_at(one, 2)
    assert ("failed", 1, 1, 0) == found.place
    assert ("terminal", ["never again"]) == (found.reason, found.errors)
    assert value(one, "select finished_at > enqueued_at from awa.jobs where id = 2")


def test_its_last_error_joins_those_of_earlier_attempts(one: Session, row: Row) -> None:
    """Guards the history: what earlier attempts said is kept, and the last is the last."""
    retry(one, row, seqs=[1], faults=[(1, 1, "first", 1.0)])
    again = claim_again(one, 1, token=2).row
    fail(one, again, settle_id=2, faults=[(1, again.seqs[0], "second", None)])
    found = job_at(one, 1)
    assert ("failed", 2, 2, 0) == found.place
    assert ["first", "second"] == found.errors
    assert [1, 2] == [e["attempt"] for e in found.extra["errors"]]


def test_each_queue_says_what_becomes_of_its_failed_jobs(one: Session) -> None:
    """Guards the policy: in one call, dead letters of one queue and failed jobs of another."""
    configure(one, "letters", dead_letters=True)
    configure(one, "plain", dead_letters=False)
    one.execute("""select awa.configure_defaults('{"dead_letters": true}')""")
    start_worker(one)
    letters, plain, unset = (enqueue(one, queue=q) for q in ("letters", "plain", "unset"))
    rows = claim(one, token=1, queues=["letters", "plain", "unset"]).rows
    assert [(1, "dead_lettered", [1]), (2, "settled", [1]), (3, "dead_lettered", [1])] == fail(
        one, *rows
    )
    assert ["dead_lettered", "failed", "dead_lettered"] == [
        job_at(one, job).state for job in (letters, plain, unset)
    ]
    assert "terminal" == job_at(one, letters).reason
    configure(one, "unset", dead_letters=False)
    job = enqueue(one, queue="unset")
    fail(one, claim(one, token=2, queues=["unset"]).row, settle_id=2)
    assert "failed" == job_at(one, job).state


def test_a_dead_letters_repeat_is_answered_already(one: Session) -> None:
    """Guards OneLivePlacePerJob: one dead letter, however often it is asked for."""
    configure(one, "default", dead_letters=True)
    start_worker(one)
    enqueue_many(one, 2)
    row = claim(one, token=1).row
    assert [(1, "dead_lettered", [1, 2])] == fail(one, row, settle_id=3)
    assert [(1, "already", [1, 2])] == fail(one, row, settle_id=3)
    assert [(1, "stale", [1, 2])] == fail(one, row, settle_id=4)
    assert 2 == value(one, "select count(*) from awa.dead_letters")


def test_nobody_is_told_of_a_failure(session: NewSession, one: Session, row: Row) -> None:
    """Guards the cost of NOTIFY: the worker that fails an attempt knows that it ended."""
    ear = session()
    with told(ear, "select ended_channel()") as heard:
        fail(one, row)
    assert [] == heard
