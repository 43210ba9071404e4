import pytest

from tests.fix_actions import (
    RETIRE,
    cancel_pending,
    dead_letter,
    dlq_move,
    retire,
    snooze,
    wait_past,
)
from tests.fix_database import Session
from tests.fix_sql import (
    claim,
    enqueue,
    enqueue_many,
    everything,
    job_states,
    refused,
    start_worker,
    value,
)

KEY = "00112233445566778899aabbccddeeff"


def cancelled(session: Session, *, settle_id: int = 1, **opts: object) -> int:
    """Enqueue a job and cancel it."""
    job = enqueue(session, **opts)
    cancel_pending(session, job, settle_id=settle_id)
    return job


def test_what_was_kept_long_enough_goes(one: Session) -> None:
    """Guards retention: ended jobs and dead letters, each by its own; nothing else."""
    cancelled(one)
    dead_letter(one)
    waiting = enqueue(one)
    before = everything(one)
    assert (0, 0) == retire(one, keep_s=60, dlq_keep_s=60)
    assert before == everything(one)
    assert (1, 0) == retire(one, keep_s=0, dlq_keep_s=60)
    assert (0, 1) == retire(one, keep_s=60, dlq_keep_s=0)
    assert {**before, "finals": 0, "dlq": 0} == everything(one)
    assert [(waiting, "available")] == job_states(one)


def test_a_replaced_job_that_waited_is_not_missed_when_it_was_retired(one: Session) -> None:
    """Guards NoJobLost against false alarm: its last entry is there, its final row is not."""
    start_worker(one)
    wish = {"unique": {"key": KEY}, "on_conflict": "replace"}
    replaced = enqueue(one, **wish)
    snooze(one, claim(one, token=1).row, settle_id=1)
    job = enqueue(one, **wish)
    assert (1, 0) == retire(one, keep_s=0, dlq_keep_s=60)
    assert [(job, "available")] == job_states(one)
    assert [(replaced, "replace")] == one.execute("select job_id, act from awa.acts").fetchall()


def test_the_defaults_keep_days(one: Session) -> None:
    """Guards the defaults: three days for ended jobs, thirty for dead letters; null is for ever."""
    cancelled(one)
    dead_letter(one)
    assert [(0, 0)] == one.execute("select * from awa.retire()").fetchall()
    assert [(0, 0)] == one.execute(RETIRE, [10, None, None]).fetchall()


def test_a_call_takes_no_more_than_asked_the_oldest_first(one: Session) -> None:
    """Guards max_jobs: of each; the rest goes next time."""
    jobs = enqueue_many(one, 3)
    for job in reversed(jobs):
        cancel_pending(one, job, settle_id=job)
    assert (2, 0) == retire(one, max_jobs=2)
    assert [(jobs[0], "cancelled")] == job_states(one)
    assert (1, 0) == retire(one, max_jobs=2)


def test_a_dead_letter_is_kept_from_its_death(one: Session) -> None:
    """Guards dlq_keep_s: a job that ended long ago and became a dead letter now is a new one."""
    job = cancelled(one)
    dlq_move(one, job, settle_id=2)
    moved = "select extract(epoch from dead_at - finished_at)::float8 from awa.dead_letters"
    assert value(one, moved) > 0
    assert (0, 0) == retire(one, keep_s=0, dlq_keep_s=60)


def test_a_key_goes_with_the_last_trace_of_its_job(one: Session) -> None:
    """Guards UniqueHeldOnce: a retired job holds nothing; a window is kept to its end."""
    cancelled(one, settle_id=1, unique={"key": KEY})
    window = {"by": ["args"], "until": "window", "period_s": 3153600000}
    cancelled(one, settle_id=2, unique=window)
    assert 2 == value(one, "select count(*) from awa.unique_keys")
    assert (2, 0) == retire(one)
    assert [(True,)] == one.execute("select until > now() from awa.unique_keys").fetchall()
    with refused("AW008"):
        enqueue(one, unique=window)


@pytest.mark.by_hand
def test_past_keys_and_old_acts_are_swept(one: Session) -> None:
    """Guards the rest: a key whose time is over, and acts of more than a week ago."""
    cancelled(one, settle_id=1, unique={"by": ["args"], "until": "window", "period_s": 1})
    cancelled(one, settle_id=2)
    wait_past(one, value(one, "select until from awa.unique_keys"))
    one.execute("update awa.acts set at = now() - interval '8 days' where settle_id = 1")
    assert (0, 0) == retire(one, keep_s=60)
    assert 0 == value(one, "select count(*) from awa.unique_keys")
    assert [(2,)] == one.execute("select settle_id from awa.acts").fetchall()


def test_what_somebody_holds_is_left_for_the_next_time(one: Session, other: Session) -> None:
    """Guards Drains: retention waits for nobody."""
    first = cancelled(one, settle_id=1)
    cancelled(one, settle_id=2)
    with other.transaction():
        dlq_move(other, first, settle_id=3)
        assert (1, 0) == retire(one)
    assert (0, 1) == retire(one)


def test_bad_calls_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001: the field is named."""
    cancelled(one)
    before = everything(one)
    for field, params in (
        ("max_jobs", (0, 0, 0)),
        ("max_jobs", (10_001, 0, 0)),
        ("max_jobs", (None, 0, 0)),
        ("keep_s", (1, -1, 0)),
        ("keep_s", (1, float("nan"), 0)),
        ("dlq_keep_s", (1, 0, float("inf"))),
    ):
        with refused("AW001", field):
            one.execute(RETIRE, params)
    assert before == everything(one)
