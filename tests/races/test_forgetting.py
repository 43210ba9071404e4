"""When a number that never appeared is forgotten: by quiet, or by the xid that noted it."""

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    CLAIM,
    ENQUEUE,
    Blocked,
    Start,
    all_holes,
    claim,
    claim_params,
    claimed,
    enqueue,
    lane_state,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker, and create the lane beforehand, as clients do."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")


def roll_back_one(session: Session) -> None:
    """Draw a number that never appears."""
    with session.transaction(force_rollback=True):
        enqueue(session)


def test_generations_are_forgotten_by_xid_while_the_lane_is_never_quiet(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: one producer is always in flight; xmin still passes."""
    first, second = session(), session()
    first.execute("begin")
    enqueue(first)  # 1
    roll_back_one(one)  # 2
    enqueue(one)  # 3
    assert [3] == claim(one, token=1).seqs
    assert ([1, 2], []) == (lane_state(one).holes, lane_state(one).young)

    second.execute("begin")
    enqueue(second)  # 4
    roll_back_one(one)  # 5
    enqueue(one)  # 6
    assert [6] == claim(one, token=2).seqs
    state = lane_state(one)
    assert ([1, 2], [4, 5]) == (state.holes, state.young)
    assert state.holes_xid is not None
    assert state.young_xid is not None
    assert state.holes_xid < state.young_xid

    first.execute("commit")
    first.execute("begin")
    enqueue(first)  # 7
    assert [1] == claim(one, token=3).seqs
    state = lane_state(one)
    assert ([4, 5], []) == (state.holes, state.young), "2 is forgotten, the young are old now"

    second.execute("commit")
    enqueue(one)  # 8
    assert [4, 8] == claim(one, token=4).seqs
    assert [7] == all_holes(one), "5 is forgotten, though the lane was never quiet"
    first.execute("commit")
    enqueue(one)  # 9
    assert [7, 9] == claim(one, token=5).seqs
    assert [] == all_holes(one)


def test_a_producer_older_than_every_finished_transaction_keeps_its_hole(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: a snapshot's xmax is only the last finished xid."""
    early, stranger, producer = session(), session(), session()
    for each in (early, stranger, producer):
        each.execute("begin")
        each.execute("select pg_current_xact_id()")
    enqueue(producer)
    enqueue(early)
    early.execute("commit")
    assert [2] == claim(one, token=1).seqs
    for each in (stranger, session()):
        each.execute("select pg_current_xact_id()")
    stranger.execute("commit")
    enqueue(one)
    assert [3] == claim(one, token=2).seqs
    assert [1] == all_holes(one)
    producer.execute("commit")
    enqueue(one)
    assert [1, 4] == claim(one, token=3).seqs


def test_the_xid_is_the_claims_own_and_newer_than_what_it_saw(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: it is drawn after the pick, so every producer it waits for is older."""
    producer = session()
    producer.execute("begin")
    enqueue(producer)
    theirs = value(producer, "select pg_current_xact_id()::text::bigint")
    enqueue(one)
    with one.transaction():
        claim(one, token=1)
        own = value(one, "select pg_current_xact_id()::text::bigint")
    assert own == lane_state(one).holes_xid
    assert own > theirs


def test_a_claim_in_a_transaction_that_had_an_xid_notes_none(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: an xid older than the pick proves nothing."""
    producer, second = session(), session()
    with one.transaction():
        one.execute("select pg_current_xact_id()")
        producer.execute("begin")
        enqueue(producer)
        enqueue(second)
        assert [2] == claim(one, token=1).seqs
    assert ([1], None) == (lane_state(one).holes, lane_state(one).holes_xid)

    enqueue(one)
    assert [3] == claim(one, token=2).seqs
    state = lane_state(one)
    assert [1] == state.holes
    assert state.holes_xid is not None

    second.execute("begin")
    enqueue(second)  # 4
    producer.execute("rollback")
    enqueue(one)  # 5
    assert [5] == claim(one, token=3).seqs
    assert [4] == all_holes(one), "the stamp's xid has passed: 1 is forgotten"
    second.execute("commit")


def test_quiet_frees_a_hole_that_was_noted_without_an_xid(
    session: NewSession, one: Session
) -> None:
    """Guards Reclaims: a claimer that always works inside its own transactions forgets too."""
    producer = session()
    producer.execute("begin")
    enqueue(producer)
    enqueue(session())
    for token, last in ((1, 2), (2, 3)):
        with one.transaction():
            one.execute("select pg_current_xact_id()")
            assert [last] == claim(one, token=token).seqs
        assert ([1], None) == (lane_state(one).holes, lane_state(one).holes_xid)
        if token == 1:
            enqueue(one)
    producer.execute("rollback")
    enqueue(one)
    assert [4] == claim(one, token=3).seqs
    assert [] == all_holes(one)


def test_a_strangers_long_transaction_keeps_holes_until_the_lane_is_quiet(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: xmin stands still, holes are kept; the quiet lane does not care."""
    stranger, producer = session(), session()
    stranger.execute("begin")
    stranger.execute("select pg_current_xact_id()")
    for token in range(1, 4):
        producer.execute("begin")
        enqueue(producer)
        enqueue(one)
        assert [2 * token] == claim(one, token=token).seqs
        producer.execute("rollback")
        with producer.transaction():
            pass
    producer.execute("begin")
    enqueue(producer)  # 7: never quiet in between
    enqueue(one)  # 8
    assert [8] == claim(one, token=8).seqs
    producer.execute("commit")
    enqueue(one)
    assert [7, 9] == claim(one, token=9).seqs
    assert [] == all_holes(one)
    stranger.execute("rollback")


def test_a_prepared_producer_is_still_in_flight(session: NewSession, one: Session) -> None:
    """Guards HoleSafety: quiet and lane_xmin see it, though no session has it."""
    producer = session()
    producer.execute("begin")
    enqueue(producer)
    theirs = value(producer, "select pg_current_xact_id()::text")
    producer.execute("prepare transaction 'stays in flight'")
    enqueue(one)
    assert [2] == claim(one, token=1).seqs
    assert [1] == all_holes(one)
    assert theirs == value(one, "select awa.lane_xmin(1)::text")
    assert value(one, "select awa.inflight('{default}')")
    enqueue(one)
    assert [3] == claim(one, token=2).seqs
    assert [1] == all_holes(one)
    one.execute("commit prepared 'stays in flight'")
    assert not value(one, "select awa.inflight('{default}')")
    enqueue(one)
    assert [1, 4] == claim(one, token=3).seqs


def test_a_late_row_in_a_slot_that_was_empty_is_not_forgotten(
    session: NewSession, one: Session, start: Start, blocked: Blocked
) -> None:
    """Guards HoleSafety: a row may appear in a slot the claim called empty, before its look.

    The producer has its number, and waits for the slot (a prune holds it). The claim has listed the
    live slots, and waits for the lock of one of them. Then the producer commits into its
    slot, which the claim does not read; its number may not be taken for one that never appears.
    """
    pruner, late, gate, beside = session(), session(), session(), session()
    one.execute("select setval('awa.ring_seq', 5)")
    pruner.execute("begin; lock table awa.ready_5 in share mode")
    producer = start(late, ENQUEUE)  # 1, for slot 5
    blocked(producer.pid)
    one.execute("select setval('awa.ring_seq', 0)")
    enqueue(one)  # 2
    assert [2] == claim(one, token=1).seqs
    assert [1] == all_holes(one)
    enqueue(one)  # 3
    beside.execute("begin")
    enqueue(beside)  # 4: the lane is not quiet

    gate.execute("begin; lock table awa.claims_0 in access exclusive mode")
    claiming = start(session(), CLAIM, claim_params(token=2))
    blocked(claiming.pid)
    pruner.execute("rollback")
    producer.rows()
    gate.execute("rollback")
    assert 3 in claimed(claiming.rows(), 2).seqs

    beside.execute("commit")
    enqueue(one)  # 5
    claim(one, token=3)
    assert [] == all_holes(one)
    assert 5 == value(one, "select count(*) from awa.attempts")
