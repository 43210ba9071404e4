"""A claim whose reply was lost, asked again with its token."""

from dataclasses import replace

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    CLAIM,
    Blocked,
    Claimed,
    Start,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    enqueue_many,
    everything,
    release,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker; three jobs are available."""
    start_worker(one)
    enqueue_many(one, 3)


def again(first: Claimed) -> Claimed:
    """Return what the repeat of a claim of one queue answers: it looks for nothing new, so busy."""
    return replace(first, busy=["default"])


def test_a_repeat_answers_what_the_lost_reply_said(session: NewSession, one: Session) -> None:
    """Guards NoJobLost: the connection dies after COMMIT; the token finds what it took."""
    lost = session()
    first = claim(lost, 2, token=7)
    one.execute("select pg_terminate_backend(%s, 10000)", [lost.info.backend_pid])
    before = everything(one)
    assert again(first) == claim(one, 2, token=7)
    assert again(first) == claim(one, 1000, token=7), "nothing new is taken, whatever is asked for"
    assert before == everything(one)
    assert [3] == claim(one, 2, token=8).seqs


def test_a_repeat_of_what_never_committed_claims(session: NewSession, one: Session) -> None:
    """Guards NoJobLost: the connection died before COMMIT, so there is nothing to find."""
    lost = session()
    lost.execute("begin")
    claim(lost, 2, token=7)
    one.execute("select pg_terminate_backend(%s, 10000)", [lost.info.backend_pid])
    assert [1, 2] == claim(one, 2, token=7).seqs


def test_a_repeat_waits_for_its_first_call_and_answers_the_same(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards EntryClaimedOnce: the token's lock lets a racing repeat see what the first took."""
    with one.transaction():
        first = claim(one, 2, token=7)
        repeat = start(other, CLAIM, claim_params(2, token=7))
        blocked(repeat.pid)
    assert again(first) == claimed(repeat.rows(), 7)
    assert 1 == value(one, "select count(*) from awa.claims")


def test_a_repeat_whose_first_call_rolls_back_takes_its_place(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards NoJobLost: after the wait there is nothing under the token, so it claims.

    A transaction's locks go one by one: the repeat may find the lane still locked: busy.
    """
    with one.transaction(force_rollback=True):
        claim(one, 2, token=7)
        repeat = start(other, CLAIM, claim_params(2, token=7))
        blocked(repeat.pid)
    found = claimed(repeat.rows(), 7)
    assert (found.seqs, found.busy) in (([1, 2], []), ([], ["default"]))
    assert [1, 2] == claim(one, 2, token=7).seqs


def test_a_repeat_answers_only_what_is_still_open(one: Session) -> None:
    """Guards EntryClaimedOnce: what was settled or released since runs elsewhere."""
    row = claim(one, token=7).row
    complete(one, row, seqs=[1], settle_id=1)
    assert [2, 3] == claim(one, token=7).seqs
    release(one, row, seqs=[3], settle_id=2)
    assert [2] == claim(one, token=7).seqs
    complete(one, row, seqs=[2], settle_id=3)
    found = claim(one, token=7)
    assert ([], ["default"], []) == (found.rows, found.busy, found.empty)
    assert [4] == claim(one, token=8).seqs


def test_a_repeat_is_busy_for_all_its_queues(one: Session) -> None:
    """Guards NoLostWakeup: it did not look at them, so it may not call them empty."""
    claim(one, 1, token=7, queues=["default", "nowhere"])
    enqueue(one, queue="nowhere")
    found = claim(one, 1, token=7, queues=["default", "nowhere"])
    assert ([1], ["default", "nowhere"], []) == (found.seqs, found.busy, found.empty)
    found = claim(one, 1, token=7, queues=["nowhere"])
    assert ([1], ["nowhere"]) == (found.seqs, found.busy), "what is open is told, asked for or not"


def test_a_token_that_took_nothing_is_free(one: Session) -> None:
    """Guards the repeat of an empty answer: it may take what has come since."""
    assert ["empty"] == claim(one, token=7, queues=["empty"]).empty
    enqueue(one, queue="empty")
    assert [1] == claim(one, token=7, queues=["empty"]).seqs


def test_a_repeat_finds_its_rows_in_every_slot(one: Session) -> None:
    """Guards the ring: the token is looked up in all live slots, not where the hint is now."""
    one.execute("select setval('awa.ring_seq', 9)")
    enqueue_many(one, 2, priority=1)
    first = claim(one, token=7)
    assert [9, 0] == [r.slot for r in first.rows]
    one.execute("select setval('awa.ring_seq', 3)")
    assert again(first) == claim(one, token=7)


def test_a_repeat_waits_for_a_settle_of_its_claim(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards EntryClaimedOnce: what a handler's open transaction completes is not told as open."""
    row = claim(one, token=7).row
    with one.transaction():
        complete(one, row, seqs=[1, 2])
        repeat = start(other, CLAIM, claim_params(token=7))
        blocked(repeat.pid)
    assert [3] == claimed(repeat.rows(), 7).seqs


def test_a_repeat_goes_through_beside_another_claim_of_the_lane(
    one: Session, other: Session
) -> None:
    """Guards Drains: a repeat needs no lane; it takes nothing."""
    first = claim(one, 1, token=7)
    with other.transaction():
        claim(other, 1, token=8)
        assert again(first) == claim(one, 1, token=7)
