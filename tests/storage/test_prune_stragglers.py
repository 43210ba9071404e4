"""Entries that no claim would look for: a bug elsewhere means late, not lost."""

import pytest

from tests.fix_database import Session
from tests.fix_ring import prune, turn
from tests.fix_sql import broken, claim, complete, enqueue, enqueue_many, job_states, start_worker
from tests.unique_jobs import is_held, new

pytestmark = pytest.mark.by_hand


@pytest.fixture
def planted(one: Session) -> int:
    """Make job 10, whose number 3 is below the cursor: its sequence had gone back."""
    start_worker(one)
    enqueue_many(one, 9)
    complete(one, claim(one, 9, token=1).row, settle_id=1)
    turn(one)
    one.execute("select setval('awa.lane_1_seq', 2)")
    return enqueue(one)


def test_stragglers_are_enqueued_again_and_reported(one: Session, planted: int) -> None:
    """Guards NoJobLost: closed as withdrawn, and there again under a new number."""
    assert "HoleSafety" in broken(one)
    turn(one)
    said: list[str] = []
    one.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    answer = prune(one, 1)
    assert ("pruned", 1) == (answer.answer, answer.reappended)
    assert ["lane 1: its sequence was behin", "1 entries in slot 1 were below"] == [
        text[5:35] for text in said
    ]
    assert [(planted, "available")] == job_states(one)[-1:]
    assert [10] == claim(one, token=2).seqs
    assert [(2, 1)] == one.execute(
        "select run_lease, attempt from awa.ready where job_id = %s", [planted]
    ).fetchall()
    assert [] == broken(one)


def test_a_straggler_that_nobody_started_keeps_its_unique_key(one: Session, planted: int) -> None:
    """Guards KeyKept: until `started`, and it has its first attempt still before it."""
    one.execute("select setval('awa.lane_1_seq', 3)")
    job = new(one, until="started")
    assert planted + 1 == job
    turn(one)
    assert 2 == prune(one, 1).reappended
    assert is_held(one)
    claim(one, token=2)
    assert not is_held(one)


def test_stragglers_are_withdrawn_while_their_slot_is_needed(one: Session, planted: int) -> None:
    """Guards OneLivePlacePerJob: it is in one place, also when the slot has to stay."""
    one.execute("select setval('awa.lane_1_seq', 9)")
    enqueue(one)
    turn(one)
    answer = prune(one, 1)
    assert ("needed", 1) == (answer.answer, answer.reappended)
    assert [10, 11] == claim(one, token=2).seqs
    answer = prune(one, 1)
    assert ("needed", 0) == (answer.answer, answer.reappended)
    assert [(2, 11)] == one.execute(
        "select run_lease, seq from awa.ready where job_id = %s and slot = 2", [planted]
    ).fetchall()


def test_stragglers_of_a_lane_that_is_being_claimed_wait(
    one: Session, other: Session, planted: int
) -> None:
    """Guards EntryClaimedOnce: only under the lane's lock, and never by waiting for it."""
    turn(one)
    with other.transaction(force_rollback=True):
        other.execute("select pg_advisory_xact_lock(awa.lk_lane(), 1)")
        answer = prune(one, 1)
        assert ("needed", 0) == (answer.answer, answer.reappended)
    assert 1 == prune(one, 1).reappended
    assert planted == 10


def test_stragglers_wait_for_who_draws_from_a_sequence_that_is_behind(
    one: Session, other: Session, planted: int
) -> None:
    """Guards HoleSafety (F4): a number drawn now would be below the cursor like the old one."""
    turn(one)
    with other.transaction(force_rollback=True):
        enqueue(other)
        answer = prune(one, 1)
        assert ("needed", 0) == (answer.answer, answer.reappended)
    assert 1 == prune(one, 1).reappended
    assert [10] == claim(one, token=2).seqs
    assert planted == 10
