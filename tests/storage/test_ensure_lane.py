import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import Blocked, Start, enqueue, everything, refused, value

ENSURE = "select awa.ensure_lane(%s, %s, %s)"


def test_a_lane_is_made_once(one: Session) -> None:
    """Guards the answer: the same number, and nothing written, when it is there already."""
    assert 1 == value(one, ENSURE, ["q", 2, 0])
    before = everything(one)
    assert 1 == value(one, ENSURE, ["q", 2, 0])
    assert 1 == value(one, "select awa.ensure_lane('q')")
    assert before == everything(one)


def test_queue_priority_and_shard_make_a_lane(one: Session) -> None:
    """Guards the key: each differs, and each lane has its own sequence; a queue has one row."""
    keys = [("q", 1, 0), ("q", 4, 0), ("q", 2, 63), ("r" * 200, 2, 0), ("Q", 2, 0)]
    lanes = [value(one, ENSURE, key) for key in keys]
    assert 5 == len(set(lanes))
    assert lanes == [value(one, ENSURE, key) for key in keys]
    assert (3, 5) == (everything(one)["queue_settings"], everything(one)["sequences"])


def test_a_lanes_numbers_are_not_hoarded(one: Session) -> None:
    """Guards HoleSafety's premise: cache 1, from 1, without a cycle."""
    value(one, ENSURE, ["q", 2, 0])
    found = one.execute(
        "select cache_size, start_value, increment_by, cycle from pg_sequences"
        " where sequencename = 'lane_1_seq'"
    ).fetchone()
    assert (1, 1, 1, False) == found


def test_bad_lanes_are_refused_and_nothing_is_written(one: Session) -> None:
    """Guards AW001: the field is named."""
    before = everything(one)
    for field, params in (
        ("queue", (None, 2, 0)),
        ("queue", ("", 2, 0)),
        ("queue", ("q" * 201, 2, 0)),
        ("priority", ("q", None, 0)),
        ("priority", ("q", 0, 0)),
        ("priority", ("q", 5, 0)),
        ("shard", ("q", 2, None)),
        ("shard", ("q", 2, -1)),
        ("shard", ("q", 2, 64)),
    ):
        with refused("AW001", field):
            one.execute(ENSURE, params)
    assert before == everything(one)


def test_making_a_lane_always_notifies(session: NewSession, one: Session) -> None:
    """Guards NoLostWakeup: a worker may have gone to sleep without knowing this lane."""
    listener = session()
    listener.execute("listen awa")
    one.execute(ENSURE, ["schön", 2, 0])
    enqueue(one, queue="schön", priority=3)
    enqueue(one, queue="schön", priority=3)
    one.execute("set awa.notify = off")
    one.execute(ENSURE, ["silent", 2, 0])
    one.execute("notify awa, 'the end'")
    heard = [n.payload for n in listener.notifies(timeout=10, stop_after=3)]
    assert ["schön", "schön", "the end"] == heard


@pytest.mark.parametrize("rolls_back", [False, True])
def test_racing_makers_agree(
    one: Session, other: Session, start: Start, blocked: Blocked, rolls_back: bool
) -> None:
    """Guards the race: the second waits for the first one's end, and sees its lane or makes it."""
    with one.transaction(force_rollback=rolls_back):
        first = value(one, ENSURE, ["q", 2, 0])
        second = start(other, ENSURE, ["q", 2, 0])
        blocked(second.pid)
    assert rolls_back is (second.rows() != [(first,)])
    assert 1 == everything(one)["lanes"]


def test_a_lane_in_a_transaction_can_be_prepared(one: Session) -> None:
    """Guards two-phase commit: with notify off, even the first job of a lane."""
    one.execute("set awa.notify = off")
    one.execute("begin")
    enqueue(one, queue="new")
    one.execute("prepare transaction 'a lane'")
    one.execute("commit prepared 'a lane'")
    assert 1 == value(one, "select count(*) from awa.jobs where queue = 'new'")
