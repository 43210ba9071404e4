import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    all_holes,
    claim,
    complete,
    enqueue,
    enqueue_many,
    lane_state,
    start_worker,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker, and create the lane beforehand, as clients do."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")


def test_the_second_claimer_of_a_lane_is_told_busy_and_then_gets_the_rest(
    one: Session, other: Session
) -> None:
    """Guards EntryClaimedOnce: claims of a lane are serial until commit, and nobody waits."""
    enqueue_many(one, 3)
    with one.transaction():
        assert [1, 2] == claim(one, 2, token=1).seqs
        assert ["default"] == claim(other, 10, token=2).busy
    assert [3] == claim(other, 10, token=2).seqs
    assert ["default"] == claim(other, 10, token=3).empty


def test_a_claim_that_rolls_back_leaves_everything_to_the_next(
    one: Session, other: Session
) -> None:
    """Guards NoJobLost: nothing of a claim remains but what it committed."""
    enqueue_many(one, 3)
    with one.transaction(force_rollback=True):
        assert [1, 2, 3] == claim(one, token=1).seqs
    assert [1, 2, 3] == claim(other, token=2).seqs


def test_a_savepoint_rolled_back_undoes_a_claim(one: Session, other: Session) -> None:
    """Guards NoJobLost: the lane's lock and the claim go with the savepoint."""
    enqueue_many(one, 3)
    with one.transaction():
        with one.transaction(force_rollback=True):
            assert [1, 2, 3] == claim(one, token=1).seqs
        assert [1, 2, 3] == claim(other, token=2).seqs


def test_a_claimer_of_two_queues_gets_the_free_one_and_busy_for_the_other(
    one: Session, other: Session
) -> None:
    """Guards NoLostWakeup: a locked lane is busy, not empty, whatever else the claim got."""
    for queue in ("left", "right"):
        enqueue(one, queue=queue)
    with one.transaction():
        claim(one, token=1, queues=["left"])
        found = claim(other, token=2, queues=["left", "right", "third"])
    assert ["right"] == [r.queue for r in found.rows]
    assert ["left"] == found.busy
    assert ["third"] == found.empty


def test_a_producer_that_commits_after_the_cursor_passed_is_claimed_first(
    one: Session, other: Session
) -> None:
    """Guards HoleSafety and FifoLinearizable: its number stays a hole, and holes come first."""
    with other.transaction():
        enqueue(other)
        enqueue(one)
        assert [2] == claim(one, token=1).seqs
        assert [1] == all_holes(one)
        assert ["default"] == claim(one, token=2).empty
    enqueue(one)
    assert [1, 3] == claim(one, token=3).seqs
    assert [] == all_holes(one)


def test_a_late_entry_is_claimed_though_nothing_came_after_it(one: Session, other: Session) -> None:
    """Guards Drains (B17): holes are looked for in a lane that has no new numbers."""
    with other.transaction():
        enqueue(other)
        enqueue(one)
        assert [2] == claim(one, token=1).seqs
    assert [1] == claim(one, token=2).seqs


def test_the_example_of_four_producers(session: NewSession, one: Session) -> None:
    """Guards HoleSafety: late, committed, rolled back, committed: the protocol's example."""
    enqueue_many(one, 6)
    complete(one, claim(one, token=1).row)
    a, c = session(), session()
    a.execute("begin")
    enqueue(a)
    enqueue(one)
    c.execute("begin")
    enqueue(c)
    c.execute("rollback")
    enqueue(one)

    assert [8, 10] == claim(one, token=2).seqs
    state = lane_state(one)
    assert (11, [7, 9], []) == (state.next, state.holes, state.young)

    a.execute("commit")
    with a.transaction():
        enqueue(a)  # somebody is in flight, and began after the holes were noted
        assert [7] == claim(one, token=3).seqs
    assert [] == all_holes(one), "the xid of that time has ended, so 9 is forgotten"
    assert [11] == claim(one, token=4).seqs


def test_rolled_back_holes_are_forgotten_when_the_lane_is_quiet(one: Session) -> None:
    """Guards Reclaims: a number whose transaction ended without it does not stay for ever."""
    for _ in range(2):
        with one.transaction(force_rollback=True):
            enqueue_many(one, 3)
        enqueue(one)
    assert [4, 8] == claim(one).seqs
    assert (9, [], []) == (lane_state(one).next, lane_state(one).holes, lane_state(one).young)


def test_the_first_claim_of_a_lane_notes_what_rolled_back_beside_a_producer_in_flight(
    one: Session, other: Session
) -> None:
    """Guards HoleSafety: without quiet, rolled back and in flight look alike."""
    with other.transaction():
        enqueue(other)
        with one.transaction(force_rollback=True):
            enqueue(one)
        enqueue(one)
        assert [3] == claim(one, token=1).seqs
        assert [1, 2] == all_holes(one)
    enqueue(one)
    assert [1, 4] == claim(one, token=2).seqs
    assert [] == all_holes(one)


def test_a_hole_without_room_under_the_limit_is_not_forgotten(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: the second look sees it and there is no room: it stays (HoleLim)."""
    early, late = session(), session()
    late.execute("begin")
    enqueue(late)
    early.execute("begin")
    enqueue(early)
    enqueue(one)
    assert [3] == claim(one, token=1).seqs
    late.execute("commit")
    early.execute("commit")
    enqueue(one)
    assert [1] == claim(one, 1, token=2).seqs
    assert [2] == all_holes(one)
    assert [2, 4] == claim(one, token=3).seqs


def test_holes_above_the_limit_were_not_looked_at_and_stay(
    session: NewSession, one: Session
) -> None:
    """Guards HoleSafety: a limit used up inside holes says nothing about those above."""
    producers = [session() for _ in range(3)]
    for producer in producers:
        producer.execute("begin")
        enqueue(producer)
    enqueue(one)
    assert [4] == claim(one, token=1).seqs
    for producer in producers:
        producer.execute("commit")
    with producers[0].transaction():
        enqueue(producers[0])  # 5 keeps the lane from being quiet; the holes' xid is long past
        assert [1] == claim(one, 1, token=2).seqs
        assert (5, [2, 3]) == (lane_state(one).next, all_holes(one))
    assert [2, 3, 5] == claim(one, token=3).seqs


def test_a_sequence_is_not_moved_while_somebody_draws_from_it(one: Session, other: Session) -> None:
    """Guards against numbers given out twice: the move waits for the producers in flight."""
    enqueue_many(one, 9)
    claim(one, 9, token=1)
    one.execute("select setval('awa.lane_1_seq', 1), setval('awa.ring_seq', 3)")
    with other.transaction(force_rollback=True):
        enqueue_many(other, 5)
        claim(one, token=2)
        assert (6,) == one.execute("select last_value from awa.lane_1_seq").fetchone()
    claim(one, token=3)
    assert (9,) == one.execute("select last_value from awa.lane_1_seq").fetchone()
