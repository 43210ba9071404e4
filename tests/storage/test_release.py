from dataclasses import replace

import pytest

from tests.fix_database import Session
from tests.fix_sql import (
    Row,
    bodies,
    claim,
    complete,
    enqueue_many,
    everything,
    job_states,
    release,
    start_worker,
    value,
)


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4; 5 is available."""
    start_worker(one)
    enqueue_many(one, 5, tags=["t"], metadata={"m": 1}, max_attempts=7)
    return claim(one, 4, token=1).row


def test_a_released_attempt_is_available_again_at_the_end_of_its_lane(
    one: Session, row: Row
) -> None:
    """Guards OneLivePlacePerJob and NoJobLost: closed and appended in one step."""
    before = everything(one)
    assert [(1, "settled", [2, 3])] == release(one, row, seqs=[2, 3])
    assert {**before, "closures": before["closures"] + 1, "ready": before["ready"] + 2} == (
        everything(one)
    )
    states = [state for _, state in job_states(one)]
    assert ["running", "available", "available", "running", "available"] == states
    again = claim(one, token=2)
    assert [5, 6, 7] == again.seqs
    found = one.execute("select job_id from " + bodies("2") + " order by seq").fetchall()
    assert [(5,), (2,), (3,)] == found


def test_a_release_gives_the_attempt_back_under_the_next_run_lease(one: Session, row: Row) -> None:
    """Guards RunLeaseGrows: same job, same attempt, no loss; everything it carried is kept."""
    release(one, row, seqs=[1])
    columns = (
        "run_lease, attempt, losses, max_attempts, kind, args::text, extra::text, enqueued_at::text"
    )
    first, second = one.execute(
        f"select {columns} from awa.ready where job_id = 1 order by seq"
    ).fetchall()
    assert (1, 1, 0, 7) == first[:4]
    assert (2, 1, 0, 7) == second[:4]
    assert first[4:] == second[4:]
    assert [(1, "released"), (2, None)] == [
        (lease, outcome)
        for _ in [claim(one, token=2)]
        for lease, outcome in one.execute(
            "select run_lease, outcome from awa.attempts where job_id = 1 order by run_lease"
        ).fetchall()
    ]


def test_a_released_attempt_can_be_released_and_completed_again(one: Session, row: Row) -> None:
    """Guards RunLeaseGrows and OnlyOpenSettles: only the newest run settles."""
    release(one, row, seqs=[1], settle_id=1)
    second = claim(one, token=2).row
    release(one, second, seqs=[6], settle_id=2)
    third = claim(one, token=3).row
    assert [(1, "stale", [1])] == complete(one, row, seqs=[1], settle_id=3)
    assert [(1, "stale", [6])] == complete(one, second, seqs=[6], settle_id=4)
    assert [(1, "settled", [7])] == complete(one, third, seqs=[7], settle_id=5)
    assert ("completed", 3) == one.execute(
        "select state, run_lease from awa.jobs where id = 1"
    ).fetchone()


def test_a_repeat_answers_already_and_appends_nothing(one: Session, row: Row) -> None:
    """Guards NoJobLost's other side: a lost reply does not put a job in two places."""
    release(one, row, settle_id=4)
    before = everything(one)
    assert [(1, "already", [1, 2, 3, 4])] == release(one, row, settle_id=4)
    assert before == everything(one)


def test_what_ended_otherwise_is_stale(one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: completed attempts do not come back, under no settle id."""
    complete(one, row, seqs=[1, 2], settle_id=4)
    assert [(1, "settled", [3, 4]), (1, "stale", [1, 2])] == release(one, row, settle_id=4)
    assert [(1, "already", [3, 4]), (1, "stale", [1, 2])] == release(one, row, settle_id=4)


def test_unknown_claims_have_ended_and_append_nothing(one: Session, row: Row) -> None:
    """Guards OneLivePlacePerJob: a wrong token or part gives nothing back."""
    before = everything(one)
    for wrong in (replace(row, token=99), replace(row, part=2)):
        assert [(1, "ended", row.seqs)] == release(one, wrong)
    assert [(1, "stale", [5, 90])] == release(one, row, seqs=[5, 90])
    assert [] == release(one)
    assert before == everything(one)


def test_a_release_of_several_claims_keeps_each_in_its_lane(one: Session, row: Row) -> None:
    """Guards the batch: lanes, priorities and slots are those of each entry."""
    one.execute("select setval('awa.ring_seq', 4)")
    enqueue_many(one, 2, queue="second", priority=1)
    enqueue_many(one, 1, queue="second", priority=3)
    second = claim(one, token=2, queues=["second"])
    one.execute("select setval('awa.ring_seq', 6)")
    found = release(one, *second.rows, row)
    assert [(1, "settled", [1, 2]), (2, "settled", [1]), (3, "settled", [1, 2, 3, 4])] == found
    assert [6] == [
        s for (s,) in one.execute("select distinct slot from awa.ready where run_lease = 2")
    ]
    again = claim(one, token=3, queues=["second", "default"])
    assert [("second", [3, 4]), ("second", [2]), ("default", [5]), ("default", [6, 7, 8, 9])] == [
        (r.queue, r.seqs) for r in again.rows
    ]


def test_a_release_that_rolls_back_leaves_the_attempts_open(one: Session, row: Row) -> None:
    """Guards NoJobLost: neither the closure nor the new entry survives alone."""
    with one.transaction(force_rollback=True):
        release(one, row)
    assert [1, 2, 3, 4] == claim(one, token=1).seqs
    assert [5] == claim(one, token=2).seqs
    assert [(1, "settled", [1, 2, 3, 4])] == complete(one, row)
    assert 5 == value(one, "select count(*) from awa.ready")
