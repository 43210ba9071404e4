import pytest

from tests.fix_actions import (
    SNOOZE,
    claim_again,
    due_in_s,
    job_at,
    promote,
    retry,
    snooze,
    told,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import Row, claim, enqueue_many, everything, refused, start_worker


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4."""
    start_worker(one)
    enqueue_many(one, 4, max_attempts=1)
    return claim(one, token=1).row


def test_a_snoozed_attempt_does_not_count(one: Session, row: Row) -> None:
    """Guards snooze: the same attempt under the next run_lease, even the last; for ever."""
    for n in range(1, 5):
        assert [(1, "settled", row.seqs[:1])] == snooze(one, row, seqs=row.seqs[:1], settle_id=n)
        assert ("scheduled", n, 1, 0) == job_at(one, 1).place
        row = claim_again(one, 1, token=n + 1).row
    assert ("running", 5, 1, 0) == job_at(one, 1).place
    assert [(1, "failed", row.seqs)] == retry(one, row)


def test_each_item_waits_its_own_time(one: Session, row: Row) -> None:
    """Guards delays_s: one for each item, for all of its numbers."""
    enqueue_many(one, 2, queue="second")
    second = claim(one, token=2, queues=["second"]).row
    snooze(one, row, second, delays_s=[100.0, 3153600000.0])
    assert all(95 < due_in_s(one, job) <= 100 for job in (1, 4))
    assert all(3153600000 - 5 < due_in_s(one, job) <= 3153600000 for job in (5, 6))


def test_a_snooze_of_nothing_is_due_at_once(one: Session, row: Row) -> None:
    """Guards the edge: 0 seconds is a place in the order of times, not a release."""
    snooze(one, row, seqs=[2], delays_s=[0])
    assert "scheduled" == job_at(one, 2).state
    assert 1 == promote(one)
    assert [5] == claim(one, token=2).seqs


def test_an_earlier_job_than_the_timer_is_told(session: NewSession, one: Session, row: Row) -> None:
    """Guards NoLostWakeup: the leader hears of what is due before its timer."""
    ear = session()
    one.execute("select awa.set_timer(clock_timestamp() + interval '1 hour')")
    with told(ear, "select awa_name()") as heard:
        snooze(one, row, seqs=[1], delays_s=[7200], settle_id=1)
    assert [] == heard
    with told(ear, "select awa_name()") as heard:
        snooze(one, row, seqs=[2], delays_s=[60], settle_id=2)
    assert [""] == heard
    one.execute("set awa.notify = off")
    with told(ear, "select awa_name()") as heard:
        snooze(one, row, seqs=[3], delays_s=[60], settle_id=3)
    assert [] == heard


def test_bad_delays_are_refused_and_write_nothing(one: Session, row: Row) -> None:
    """Guards AW001: one number of seconds for each item."""
    before = everything(one)
    items = (1, 1, [row.slot], [1], [1], ["{[1,2)}"])
    for delays_s in ([], None, [1, 2], [None], [-1], [3153600001], [float("nan")], [float("inf")]):
        with refused("AW001", "delays_s"):
            one.execute(SNOOZE, (*items, delays_s))
    assert before == everything(one)
