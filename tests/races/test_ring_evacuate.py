"""Evacuation against everybody who has a claim on an entry, or wants one."""

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_ring import EVACUATE, evacuate, pruned, rows_in, turn
from tests.fix_sql import (
    CLAIM,
    Blocked,
    Row,
    Start,
    bodies,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    enqueue_many,
    start_worker,
    value,
)


@pytest.fixture
def taken(one: Session) -> Row:
    """Return the claim of 1 to 5 in slot 0; 6 to 8 are pending there, and slot 1 is current."""
    start_worker(one)
    enqueue_many(one, 8)
    claimed = claim(one, 5, token=1).row
    turn(one)
    return claimed


def test_a_settle_while_its_claim_is_carried_is_busy_and_then_finds_it(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards ClosuresDisjoint (F7): one lock for both places, because it is the token's."""
    with other.transaction():
        assert ("moved", 8) == evacuate(other)
        assert [(1, "busy", taken.seqs)] == complete(one, taken)
    assert [(1, "settled", taken.seqs)] == complete(one, taken)
    assert "pruned" == pruned(one)


def test_a_settle_whose_claim_was_not_carried_after_all_finds_it_where_it_was(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards OnlyOpenSettles: after a rollback everything is where it was."""
    with other.transaction(force_rollback=True):
        assert ("moved", 8) == evacuate(other)
    assert [(1, "settled", taken.seqs)] == complete(one, taken)
    assert {"ready": 8, "claims": 1, "closures": 1} == rows_in(one)


def test_what_is_being_settled_stays_and_the_rest_moves(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards OnlyOpenSettles (D1): what a settle is closing is not carried as open."""
    enqueue(one)
    second = claim(one, 2, token=2).row
    assert [6, 7] == second.seqs
    with other.transaction():
        complete(other, taken, seqs=[1, 2, 3])
        assert ("busy", 3) == evacuate(one)
    assert ("moved", 2) == evacuate(one)
    assert [(1, "settled", [6, 7])] == complete(one, second, settle_id=2)
    assert [(1, "settled", [4, 5]), (1, "stale", [3])] == complete(
        one, taken, seqs=[3, 4, 5], settle_id=3
    )
    assert "pruned" == pruned(one)


def test_a_lane_that_is_being_claimed_stays(one: Session, other: Session, taken: Row) -> None:
    """Guards EntryClaimedOnce: what a claim is taking is not carried as pending."""
    with other.transaction():
        assert [6, 7] == claim(other, 2, token=2).seqs
        assert ("busy", 5) == evacuate(one)
    assert ("moved", 3) == evacuate(one)
    assert [(1, 6), (1, 7)] == one.execute("select slot, seq from " + bodies("2")).fetchall()
    assert taken.slot == 0


def test_a_claim_while_its_lane_is_carried_is_busy_and_then_takes_it(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards EntryClaimedOnce and NoJobLost: the lane's lock covers every look at it."""
    with other.transaction():
        evacuate(other)
        assert ["default"] == claim(one, token=2).busy
    assert (1, [6, 7, 8]) == (claim(one, token=2).row.slot, claim(one, token=2).seqs)
    assert taken.slot == 0


def test_a_repeated_claim_waits_for_the_evacuation_and_finds_its_rows(
    session: NewSession, one: Session, taken: Row, start: Start, blocked: Blocked
) -> None:
    """Guards F8: the token's lock comes first in a claim, and its rows are listed after it."""
    mover = session()
    with mover.transaction():
        evacuate(mover)
        waiting = start(session(), CLAIM, claim_params(token=1))
        blocked(waiting.pid)
    assert [(1, taken.seqs)] == [(r.slot, r.seqs) for r in claimed(waiting.rows(), 1).rows]
    assert 8 == value(one, "select count(*) from awa.ready")


def test_readers_never_wait_and_see_every_entry_once(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards BodyKept (B9): the move is one commit, so every snapshot shows all of it or none."""
    old = "begin isolation level repeatable read, read only"
    one.execute(old)
    before = one.execute("select id, state from awa.jobs order by id").fetchall()
    with other.transaction():
        assert ("moved", 8) == evacuate(other)
        assert before == one.execute("select id, state from awa.jobs order by id").fetchall()
    assert before == one.execute("select id, state from awa.jobs order by id").fetchall()
    one.execute("commit")
    assert before == one.execute("select id, state from awa.jobs order by id").fetchall()
    assert taken.slot == 0


def test_a_dump_does_not_delay_an_evacuation(one: Session, other: Session, taken: Row) -> None:
    """Guards Reclaims: it needs no lock on a table that a reader would hold."""
    other.execute("begin isolation level repeatable read, read only")
    other.execute("select from awa.jobs")
    assert ("moved", 8) == evacuate(one)
    assert 8 == value(other, "select count(*) from awa.ready where slot = 0")
    other.execute("commit")
    assert "pruned" == pruned(one, taken.slot)


def test_a_producer_in_flight_is_found_by_the_next_call(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards NoJobLost: a late row lands in the old slot, and is carried when it is there."""
    with other.transaction():
        one.execute("select setval('awa.ring_seq', 0)")
        enqueue(other)
        one.execute("select setval('awa.ring_seq', 1)")
        assert ("moved", 8) == evacuate(one)
    assert ("moved", 1) == evacuate(one)
    assert "pruned" == pruned(one)
    assert [6, 7, 8, 9] == claim(one, token=2).seqs
    assert taken.slot == 0


def test_holes_are_found_after_they_were_carried(one: Session, other: Session, taken: Row) -> None:
    """Guards HoleSafety: a number below the cursor is awaited wherever its row is."""
    with other.transaction():
        one.execute("select setval('awa.ring_seq', 0)")
        enqueue(other)
        one.execute("select setval('awa.ring_seq', 1)")
        enqueue(one)
        assert [6, 7, 8, 10] == claim(one, token=2).seqs
    assert "moved" == evacuate(one)[0]
    assert "pruned" == pruned(one)
    assert [9] == claim(one, token=3).seqs
    assert taken.slot == 0


def test_two_evacuations_take_turns(
    session: NewSession, one: Session, taken: Row, start: Start
) -> None:
    """Guards the maintenance lock: the second is told busy, at once."""
    mover = session()
    with mover.transaction():
        evacuate(mover)
        assert [("busy", 0)] == start(session(), EVACUATE, [0, 10]).rows()
    assert ("moved", 0) == evacuate(one)
    assert taken.slot == 0


def test_an_operators_lock_on_a_table_is_not_waited_for(
    one: Session, other: Session, taken: Row
) -> None:
    """Guards the 30 ms: nothing is half done."""
    before = rows_in(one)
    with other.transaction():
        other.execute("lock table awa.claims_0 in share mode")
        assert ("busy", 0) == evacuate(one)
    assert before == rows_in(one)
    assert ("moved", 8) == evacuate(one)
    assert taken.slot == 0
