import pytest

from tests.fix_actions import cancel_running, configure, job_at, told
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Row,
    as_text,
    claim,
    complete,
    enqueue,
    enqueue_many,
    numbers,
    start_worker,
)


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4; worker 2 holds 5."""
    start_worker(one, 1)
    start_worker(one, 2)
    enqueue_many(one, 5)
    first = claim(one, 4, token=1).row
    claim(one, token=2, call=7, worker=2)
    return first


def ended_elsewhere(session: Session, worker: int, calls: list[int]) -> list[tuple[object, ...]]:
    """Return token, part, numbers and outcome of what others ended for a worker."""
    found = session.execute(
        "select * from awa.ended_elsewhere(%s, %s)", [worker, as_text(calls)]
    ).fetchall()
    return sorted((token, part, numbers(seqs), outcome) for token, part, seqs, outcome in found)


def test_a_cancelled_attempt_ends_its_job_for_a_reason(one: Session, row: Row) -> None:
    """Guards cancel_running: cancelled, with the reason if there is one."""
    cancel_running(one, row, seqs=[1], reason="not wanted any more", settle_id=1)
    cancel_running(one, row, seqs=[2], settle_id=2)
    assert ("cancelled", 1, 1, 0) == job_at(one, 1).place
    assert ["not wanted any more", ""] == [job_at(one, job).reason for job in (1, 2)]


def test_a_cancelled_job_is_never_a_dead_letter(one: Session) -> None:
    """Guards the policy: dead letters are failures."""
    configure(one, "default", dead_letters=True)
    start_worker(one)
    job = enqueue(one)
    cancel_running(one, claim(one, token=1).row)
    assert "cancelled" == job_at(one, job).state


def test_an_operators_cancellation_is_told_to_the_workers(
    session: NewSession, one: Session, row: Row
) -> None:
    """Guards cancellation of what runs: its worker hears of it with the commit, and asks."""
    ear = session()
    second = claim(one, token=2, worker=2).row
    with told(ear, "select ended_channel()") as heard, one.transaction():
        assert [(1, "settled", [1, 2]), (2, "settled", [5])] == sorted(
            cancel_running(one, row, seqs=[1, 2], worker=None)
            + [(2, *rest) for _, *rest in cancel_running(one, second, worker=None, settle_id=2)]
        )
    assert ["1", "2"] == sorted(heard)
    assert [(1, 1, [1, 2], "cancelled")] == ended_elsewhere(one, 1, [1, 2, 3])
    assert [(2, 1, [5], "cancelled")] == ended_elsewhere(one, 2, [7])


def test_a_repeat_or_a_handlers_own_cancellation_is_told_to_nobody(
    session: NewSession, one: Session, row: Row
) -> None:
    """Guards the cost of NOTIFY: only what was ended now, and by somebody else."""
    ear = session()
    cancel_running(one, row, seqs=[1], worker=None, settle_id=1)
    with told(ear, "select ended_channel()") as heard:
        cancel_running(one, row, seqs=[1], worker=None, settle_id=1)
        cancel_running(one, row, seqs=[2], settle_id=2)
    assert [] == heard
    one.execute("set awa.notify = off")
    with told(ear, "select ended_channel()") as heard:
        cancel_running(one, row, seqs=[3], worker=None, settle_id=3)
    assert [] == heard
    assert [1, 2, 3] == [n for found in ended_elsewhere(one, 1, [1]) for n in found[2]]  # type: ignore[attr-defined]


def test_a_worker_is_told_only_of_the_calls_it_asks_about(one: Session, row: Row) -> None:
    """Guards ended_elsewhere: its own calls, ended otherwise than by completing or giving back."""
    complete(one, row, seqs=[1], settle_id=1)
    cancel_running(one, row, seqs=[2], worker=None, settle_id=2)
    assert [(1, 1, [2], "cancelled")] == ended_elsewhere(one, 1, [1])
    assert [(1, 1, [2], "cancelled")] == ended_elsewhere(one, 1, [1, 5, 9])
    assert [] == ended_elsewhere(one, 1, [2, 7])
    assert [] == ended_elsewhere(one, 1, [])
    assert [] == ended_elsewhere(one, 2, [1])
    assert [] == ended_elsewhere(one, 99, [1])
