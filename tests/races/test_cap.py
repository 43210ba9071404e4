"""Too many holes: the lane's own xmin relieves it, or its cursor stops until producers end."""

import pytest
from psycopg.errors import Diagnostic

from tests.fix_database import NewSession, Session
from tests.fix_sql import all_holes, claim, enqueue, enqueue_many, lane_state, start_worker, value


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker, create the lane, and lower the cap to three ranges of holes."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    one.execute("create or replace function awa.holes_max() returns int language sql as 'select 3'")


def scatter(session: Session, count: int) -> None:
    """Enqueue jobs with a rolled-back number before each."""
    for _ in range(count):
        with session.transaction(force_rollback=True):
            enqueue(session)
        enqueue(session)


@pytest.fixture
def warnings(one: Session) -> list[str]:
    """Return what the server says to the first session beside its answers."""
    said: list[str] = []

    def listen(diagnostic: Diagnostic) -> None:
        said.append(diagnostic.message_primary or "")

    one.add_notice_handler(listen)
    return said


def test_the_lanes_own_xmin_relieves_it_of_a_stranger(
    session: NewSession, one: Session, warnings: list[str]
) -> None:
    """Guards Drains: a long transaction elsewhere pins xmin, but is not of this lane."""
    stranger, first, second = session(), session(), session()
    stranger.execute("begin; select pg_current_xact_id()")
    first.execute("begin")
    enqueue(first)  # 1
    scatter(one, 2)  # 2, 4 are holes; 3, 5 jobs
    assert [3, 5] == claim(one, token=1).seqs
    assert [1, 2, 4] == all_holes(one)
    second.execute("begin")
    enqueue(second)  # 6
    first.execute("commit")
    scatter(one, 2)  # 7, 9 are holes
    assert [1, 8, 10] == claim(one, token=2).seqs
    assert [6, 7, 9] == all_holes(one), "2 and 4 are older than every producer in flight"
    assert [] == warnings
    second.execute("commit")
    enqueue(one)
    assert [6, 11] == claim(one, token=3).seqs


def test_a_producer_in_flight_stops_the_cursor_which_recovers(
    session: NewSession, one: Session, warnings: list[str]
) -> None:
    """Guards HoleSafety and Drains: busy with a warning, no hole forgotten, then all go."""
    producer = session()
    producer.execute("begin")
    enqueue(producer)  # 1
    scatter(one, 5)
    found = claim(one, token=1)
    assert ([], ["default"]) == (found.rows, found.busy)
    assert 1 == len(warnings)
    assert "lane 1" in warnings[0]
    assert 0 == value(one, "select count(*) from awa.claims")
    producer.execute("commit")
    assert [1, 3, 5, 7, 9, 11] == claim(one, token=1).seqs
    assert [] == all_holes(one)


def test_a_stopped_cursor_still_takes_what_appears_in_its_holes(
    session: NewSession, one: Session, warnings: list[str]
) -> None:
    """Guards Drains: the holes noted before the cap go on being served."""
    first, second = session(), session()
    first.execute("begin")
    enqueue(first)  # 1
    second.execute("begin")
    enqueue(second)  # 2
    scatter(one, 1)  # 3 is a hole, 4 a job
    assert [4] == claim(one, token=1).seqs
    second.execute("commit")
    scatter(one, 4)
    assert [2] == claim(one, token=2).seqs
    assert 1 == len(warnings)
    assert (5, [1, 3]) == (lane_state(one).next, all_holes(one))
    first.execute("rollback")
    assert [6, 8, 10, 12] == claim(one, token=3).seqs
    assert [] == all_holes(one)


def test_a_stopped_cursor_keeps_to_the_limit(
    session: NewSession, one: Session, warnings: list[str]
) -> None:
    """Guards HoleSafety: what appeared in the holes and has no room stays a hole."""
    first, second = session(), session()
    first.execute("begin")
    enqueue(first)  # 1
    second.execute("begin")
    enqueue_many(second, 3)  # 2, 3, 4
    enqueue(one)  # 5
    assert [5] == claim(one, token=1).seqs
    second.execute("commit")
    scatter(one, 5)
    one.execute("create or replace function awa.holes_max() returns int language sql as 'select 0'")
    assert [2] == claim(one, 1, token=2).seqs
    assert [1, 3, 4] == all_holes(one)
    first.execute("commit")
    assert [1, 3, 4, 7, 9, 11, 13, 15] == claim(one, token=3).seqs


def test_many_ranges_that_were_seen_have_no_part_in_what_is_forgotten(
    session: NewSession, one: Session, warnings: list[str]
) -> None:
    """Guards HoleSafety: more visible holes than the cap, under a small limit, are all served."""
    producers = [session() for _ in range(5)]
    for producer in producers:
        producer.execute("begin")
        enqueue(producer)
        enqueue(one)
    one.execute("create or replace function awa.holes_max() returns int language sql as 'select 9'")
    assert [2, 4, 6, 8, 10] == claim(one, token=1).seqs
    one.execute("create or replace function awa.holes_max() returns int language sql as 'select 3'")
    for producer in producers:
        producer.execute("commit")
    producers[0].execute("begin")
    enqueue(producers[0])  # 11
    enqueue(one)  # 12
    found = [claim(one, 1, token=token).seqs for token in range(2, 8)]
    assert [[1], [3], [5], [7], [9], [12]] == found
    producers[0].execute("commit")
    enqueue(one)
    assert [11, 13] == claim(one, token=9).seqs


@pytest.mark.parametrize("epoch", [0, 1, 2, 300])
def test_a_short_xid_is_read_as_the_nearest_full_one(one: Session, epoch: int) -> None:
    """Guards HoleSafety: pg_locks shows 32 bits, and the counter wraps at 2**32."""
    wrap = 1 << 32
    for now, short, full in ((1000, 990, 990), (1000, 1003, 1003), (5, wrap - 5, -5)):
        if epoch * wrap + full > 0:
            found = value(
                one,
                "select awa.nearest_xid(%s::numeric, %s::text::xid)::bigint",
                [epoch * wrap + now, str(short)],
            )
            assert epoch * wrap + full == found


def test_a_holder_whose_xid_does_not_show_counts_as_the_oldest(
    one: Session, other: Session
) -> None:
    """Guards HoleSafety: while a producer is being prepared, lock and xid part briefly."""
    with other.transaction():
        enqueue(other)
        with one.transaction():
            one.execute("select pg_advisory_xact_lock_shared(awa.lk_inflight(), 1)")
            assert "0" == value(other, "select awa.lane_xmin(1)::text")
    assert value(one, "select awa.lane_xmin(1)") is None


def test_a_tester_of_a_lane_is_no_producer(one: Session, other: Session) -> None:
    """Guards Drains: a momentary exclusive holder (a quiet test) does not hold the lane's xmin."""
    with other.transaction():
        other.execute("select pg_current_xact_id()")
        other.execute("select pg_advisory_xact_lock(awa.lk_inflight(), 1)")
        assert value(one, "select awa.lane_xmin(1)") is None
