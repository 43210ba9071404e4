"""Settles that meet: each attempt ends once, and nobody waits for a handler's transaction."""

from dataclasses import replace

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    CLAIM,
    Row,
    Start,
    beat,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue_many,
    everything,
    job_states,
    release,
    start_worker,
)


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of five numbers."""
    start_worker(one)
    enqueue_many(one, 5)
    return claim(one, token=1).row


def test_release_against_complete(one: Session, other: Session, row: Row) -> None:
    """Guards ClosuresDisjoint and OneLivePlacePerJob: one of them gets each number."""
    with one.transaction():
        assert [(1, "settled", [1, 2, 3])] == release(one, row, seqs=[1, 2, 3], settle_id=1)
        assert [(1, "busy", [3, 4])] == complete(other, row, seqs=[3, 4], settle_id=2)
    assert [(1, "settled", [4]), (1, "stale", [3])] == complete(
        other, row, seqs=[3, 4], settle_id=2
    )
    assert ["available", "available", "available", "completed", "running"] == [
        state for _, state in job_states(one)
    ]


def test_complete_against_a_release_that_rolls_back(one: Session, other: Session, row: Row) -> None:
    """Guards NoJobLost: what was not released after all is completed at the next try."""
    with one.transaction(force_rollback=True):
        release(one, row, settle_id=1)
        assert [(1, "busy", row.seqs)] == complete(other, row, settle_id=2)
    assert [(1, "settled", row.seqs)] == complete(other, row, settle_id=2)


def test_overlapping_settles_share_the_numbers(one: Session, other: Session, row: Row) -> None:
    """Guards ClosuresDisjoint: the later one settles what the earlier one left."""
    with one.transaction():
        complete(one, row, seqs=[1, 2, 3], settle_id=1)
    assert [(1, "settled", [4, 5]), (1, "stale", [2, 3])] == complete(
        other, row, seqs=[2, 3, 4, 5], settle_id=2
    )


def test_a_batch_answers_busy_only_for_the_claims_that_are_held(
    one: Session, other: Session, row: Row
) -> None:
    """Guards NoDeadlock: a batch never waits; it says which items to ask for again."""
    enqueue_many(one, 2)
    second = claim(one, token=2).row
    unknown = replace(row, token=9)
    with other.transaction():
        complete(other, row, seqs=[1], settle_id=1)
        before = everything(one)
        assert [
            (1, "ended", row.seqs),
            (2, "busy", row.seqs),
            (3, "settled", [6, 7]),
        ] == complete(one, unknown, row, second, settle_id=2)
        assert {**before, "closures": before["closures"] + 1} == everything(one)
    assert [(1, "settled", [2, 3, 4, 5]), (1, "stale", [1])] == complete(one, row, settle_id=2)


def test_two_transactions_that_settle_crosswise_do_not_deadlock(
    one: Session, other: Session, row: Row
) -> None:
    """Guards NoDeadlock: each is told busy instead of waiting for the other."""
    enqueue_many(one, 2)
    second = claim(one, token=2).row
    with one.transaction(), other.transaction():
        complete(one, row, seqs=[1], settle_id=1)
        complete(other, second, seqs=[6], settle_id=2)
        assert [(1, "busy", [7])] == complete(one, second, seqs=[7], settle_id=1)
        assert [(1, "busy", [2])] == release(other, row, seqs=[2], settle_id=2)


def test_a_lost_settle_reply_is_asked_again(session: NewSession, one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: the connection dies after COMMIT; the settle id is known."""
    lost = session()
    complete(lost, row, seqs=[1, 2], settle_id=5)
    release(lost, row, seqs=[3], settle_id=6)
    one.execute("select pg_terminate_backend(%s, 10000)", [lost.info.backend_pid])
    before = everything(one)
    assert [(1, "already", [1, 2])] == complete(one, row, seqs=[1, 2], settle_id=5)
    assert [(1, "already", [3])] == release(one, row, seqs=[3], settle_id=6)
    assert before == everything(one)


def test_a_late_worker_cannot_complete_what_its_beat_gave_up(
    one: Session, other: Session, row: Row
) -> None:
    """Guards OnlyOpenSettles: released as a loss, claimed again: the old receipt is stale."""
    assert ("alive", 5) == beat(one, 1, 1)
    again = claim(one, token=2).row
    assert [(1, "stale", row.seqs)] == complete(other, row, settle_id=1)
    assert [(1, "settled", again.seqs)] == complete(one, again, settle_id=2)


def test_a_beat_leaves_a_claim_that_is_being_settled(
    one: Session, other: Session, row: Row
) -> None:
    """Guards liveness: the beat is not late because a handler's transaction is long."""
    with other.transaction():
        complete(other, row, seqs=[1, 2], settle_id=1)
        assert ("alive", 0) == beat(one, 1, 1)
    assert ("alive", 3) == beat(one, 12, 1)


def test_a_settle_does_not_stop_its_lane(one: Session, other: Session, row: Row) -> None:
    """Guards Drains: claims and producers of the lane go on beside an open settle."""
    with other.transaction():
        release(other, row, seqs=[1], settle_id=1)
        complete(other, row, seqs=[2], settle_id=2)
        enqueue_many(one, 1)
        assert [7] == claim(one, token=2).seqs
    assert [6] == claim(one, 1, token=3).seqs


def test_a_settle_of_a_claim_that_has_not_committed_is_busy(
    one: Session, other: Session, row: Row, start: Start
) -> None:
    """Guards OnlyKnownEnd: a claim still in flight is not called ended."""
    enqueue_many(one, 1)
    with one.transaction():
        second = claim(one, token=2).row
        assert [(1, "busy", [6])] == complete(other, second)
    assert [6] == claimed(start(other, CLAIM, claim_params(token=2)).rows(), 2).seqs
