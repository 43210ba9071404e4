"""Operators that meet at one dead letter: it is in one place, and one of them has it."""

import pytest
from psycopg.types.json import Jsonb

from tests.fix_actions import (
    DLQ_PURGE,
    DLQ_RETRY,
    dead_letter,
    dlq_purge,
    dlq_retry,
    job_at,
    retire,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Blocked,
    Start,
    claim,
    enqueue,
    everything,
    refused,
    start_worker,
    value,
)

KEY = "00112233445566778899aabbccddeeff"
UNIQUE = {"key": KEY}


@pytest.fixture
def job(one: Session) -> int:
    """Return a dead letter with a unique key."""
    return dead_letter(one, unique=UNIQUE)


def test_a_retry_against_a_retry(one: Session, other: Session, job: int) -> None:
    """Guards OneLivePlacePerJob: the later one is busy, then told where the job is."""
    with other.transaction():
        assert [("settled", "available")] == dlq_retry(other, job, settle_id=1)
        assert [("busy", "dead_lettered")] == dlq_retry(one, job, settle_id=2)
        assert [("busy", "dead_lettered")] == dlq_retry(one, job, settle_id=1)
    assert [("stale", "available")] == dlq_retry(one, job, settle_id=2)
    before = everything(one)
    assert [("already", "available")] == dlq_retry(one, job, settle_id=1)
    assert before == everything(one)


def test_a_retry_against_a_purge(one: Session, other: Session, job: int) -> None:
    """Guards DlqRoundTrip: purged or revived, never both."""
    with other.transaction(force_rollback=True):
        dlq_purge(other, job, settle_id=1)
        assert [("busy", "dead_lettered")] == dlq_retry(one, job, settle_id=2)
    with other.transaction():
        dlq_retry(other, job, settle_id=2)
        assert [("busy", "dead_lettered")] == dlq_purge(one, job, settle_id=1)
    assert [("stale", "available")] == dlq_purge(one, job, settle_id=1)
    assert 1 == value(one, "select count(*) from awa.unique_keys")


def test_a_purge_against_a_retry(one: Session, other: Session, job: int) -> None:
    """Guards DlqRoundTrip: what is purged stays so, its key too."""
    with other.transaction():
        dlq_purge(other, job, settle_id=1)
        assert [("busy", "dead_lettered")] == dlq_retry(one, job, settle_id=2)
    assert [("unknown", None)] == dlq_retry(one, job, settle_id=2)
    assert 0 == value(one, "select count(*) from awa.unique_keys")


def test_retention_against_a_retry(one: Session, other: Session, job: int) -> None:
    """Guards NoJobLost: a dead letter that is being revived is not retired."""
    with other.transaction():
        dlq_retry(other, job)
        assert (0, 0) == retire(one)
    assert (0, 0) == retire(one)
    assert "available" == job_at(one, job).state


def test_a_retry_against_an_enqueue_of_its_key(
    one: Session, other: Session, job: int, start: Start, blocked: Blocked
) -> None:
    """Guards UniqueHeldOnce: the retry waits for the key, then says duplicate; or has it."""
    with other.transaction(force_rollback=True):
        enqueue(other, unique=UNIQUE)
        waiting = start(one, DLQ_RETRY, [1, [job], Jsonb({})])
        blocked(waiting.pid)
    assert [("settled", "available")] == waiting.rows()


def test_an_enqueue_that_commits_first_keeps_the_key(
    one: Session, other: Session, job: int, start: Start, blocked: Blocked
) -> None:
    """Guards UniqueHeldOnce: the dead letter stays one."""
    with other.transaction():
        enqueue(other, unique=UNIQUE)
        waiting = start(one, DLQ_RETRY, [1, [job], Jsonb({})])
        blocked(waiting.pid)
    assert [("duplicate", "dead_lettered")] == waiting.rows()
    assert "dead_lettered" == job_at(one, job).state


def test_an_enqueue_waits_for_a_retry(
    one: Session, other: Session, job: int, start: Start, blocked: Blocked
) -> None:
    """Guards UniqueHeldOnce: the revived job has its key again."""
    enqueueing = "select answer from awa.enqueue('k', '{}', %s)"
    with other.transaction():
        dlq_retry(other, job)
        waiting = start(one, enqueueing, [Jsonb({"unique": UNIQUE, "on_conflict": "return"})])
        blocked(waiting.pid)
    assert [("existing",)] == waiting.rows()


def test_a_purge_does_not_wait_for_an_enqueue_of_its_key(
    one: Session, other: Session, job: int, start: Start
) -> None:
    """Guards Drains: purging waits for nobody; the key that is held meanwhile is the new job's."""
    with other.transaction():
        new = enqueue(other, unique=UNIQUE)
        assert [("settled", "purged")] == start(one, DLQ_PURGE, [1, [job]]).rows()
    assert new == value(one, "select job_id from awa.unique_keys")
    with refused("AW008", str(new)):
        enqueue(one, unique=UNIQUE)


def test_a_retry_locks_the_keys_in_their_own_order(
    one: Session, other: Session, session: NewSession, start: Start, blocked: Blocked
) -> None:
    """Guards NoDeadlock: retries that want the same keys take turns, whatever order they ask in."""
    jobs = [dead_letter(one, unique={"key": f"{n:032x}"}) for n in (3, 2, 1)]
    with other.transaction():
        other.execute("select from awa.unique_keys order by unique_key limit 1 for update")
        waiting = start(one, DLQ_RETRY, [1, jobs, Jsonb({})])
        blocked(waiting.pid)
        # who waits for the first key has none of those behind it, whoever wants them next
        free = session().execute("select from awa.unique_keys for update skip locked")
        assert 2 == free.rowcount
    assert [("settled", "available")] * 3 == waiting.rows()


def test_two_operators_move_crosswise(one: Session, other: Session) -> None:
    """Guards NoDeadlock: batches that overlap tell each other busy."""
    start_worker(one)
    jobs = [dead_letter(one) for _ in range(4)]
    with one.transaction(), other.transaction():
        assert ["settled"] * 2 == [a for a, _ in dlq_retry(one, *jobs[:2], settle_id=1)]
        assert ["settled"] * 2 == [a for a, _ in dlq_purge(other, *jobs[2:], settle_id=2)]
        assert ["busy"] * 2 == [a for a, _ in dlq_retry(one, *jobs[2:], settle_id=1)]
        assert ["busy"] * 2 == [a for a, _ in dlq_purge(other, *jobs[:2], settle_id=2)]
    assert 2 == len(claim(one, token=1, queues=["dead"]).seqs)


def test_a_revived_job_in_flight_holds_the_cursor_back(one: Session, other: Session) -> None:
    """Guards HoleSafety: its number is in flight like a producer's."""
    first, second = dead_letter(one), dead_letter(one)
    with other.transaction():
        dlq_retry(other, first, settle_id=1)
        dlq_retry(one, second, settle_id=2)
        assert [4] == claim(one, token=1, queues=["dead"]).seqs
    assert [3] == claim(one, token=2, queues=["dead"]).seqs
