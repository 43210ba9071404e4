"""The unique keys of jobs that are forgotten with their slot."""

from tests.fix_database import Session
from tests.fix_ring import evacuate, pruned, turn
from tests.fix_sql import claim, complete, enqueue, settle_params, start_worker


def enqueue_unique(session: Session, key: str, **more: object) -> int:
    """Enqueue a job with a unique key."""
    return enqueue(session, unique={"key": key * 32, **more})


def keys(session: Session) -> list[int]:
    """Return the jobs that hold keys."""
    found = session.execute("select job_id from awa.unique_keys order by 1").fetchall()
    return [job for (job,) in found]


def test_keys_go_with_the_completed_job(one: Session) -> None:
    """Guards UniqueHeldOnce and Reclaims: a job that is nowhere holds nothing."""
    start_worker(one)
    enqueue_unique(one, "a")
    complete(one, claim(one).row)
    pending = enqueue_unique(one, "b")
    evacuated = turn(one)
    assert ("moved", 1) == evacuate(one)
    assert "pruned" == pruned(one)
    assert [pending] == keys(one)
    assert evacuated == 1


def test_keys_stay_while_their_window_lasts(one: Session) -> None:
    """Guards UniqueHeldOnce: a key for a period outlives its job."""
    start_worker(one)
    job = enqueue(one, unique={"by": ["args"], "period_s": 86400, "until": "window"})
    complete(one, claim(one).row)
    turn(one)
    assert "pruned" == pruned(one)
    assert [job] == keys(one)


def test_keys_stay_with_a_final_row(one: Session) -> None:
    """Guards UniqueHeldOnce: a failed job is somewhere else, and its key is that row's."""
    start_worker(one)
    job = enqueue_unique(one, "a")
    taken = claim(one).row
    one.execute(
        "select * from awa.fail(%s, %s, %s, %s, %s, %s::int8multirange[])",
        settle_params([taken], None, 1, 1),
    )
    turn(one)
    assert "pruned" == pruned(one)
    assert [job] == keys(one)


def test_keys_that_somebody_takes_over_just_now_are_left_to_them(
    one: Session, other: Session
) -> None:
    """Guards prune against business transactions: it does not wait for one."""
    start_worker(one)
    job = enqueue_unique(one, "a")
    complete(one, claim(one).row)
    turn(one)
    with other.transaction():
        other.execute("select from awa.unique_keys for update")
        assert "pruned" == pruned(one)
    assert [job] == keys(one)
    successor = enqueue_unique(one, "a")
    assert [successor] == keys(one)
