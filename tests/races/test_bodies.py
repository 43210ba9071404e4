"""Bodies are read after the commit: a client that stops while it receives stops nobody else."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq.abc import PGconn

from tests.fix_database import NewSession, Session, open_session
from tests.fix_sql import (
    Blocked,
    Start,
    bodies,
    claim,
    complete,
    enqueue,
    enqueue_many,
    numbers,
    start_worker,
    value,
)


@pytest.fixture
def stopped(database: str) -> Iterator[PGconn]:
    """Return a connection that sends and does not read."""
    with open_session(database) as session:
        yield session.pgconn
        session.pgconn.finish()


@pytest.mark.parametrize("jobs", [16, 60])
def test_a_client_stopped_while_it_receives_bodies_does_not_stop_the_lane(
    one: Session, watcher: Session, stopped: PGconn, jobs: int
) -> None:
    """Guards Drains: the claim has committed, so its lane is free; and its attempts are open."""
    start_worker(one)
    one.execute(
        "select awa.enqueue_many((select jsonb_agg(jsonb_build_object('kind', 'k', 'args',"
        " jsonb_build_object('big', repeat(md5(i::text), 12500)))) from generate_series(1, %s) i))",
        [jobs],
    )
    enqueue(one)
    stopped.enter_pipeline_mode()
    call = f"select * from awa.claim(1, 1, 1, '{{default}}', '{{{jobs}}}', 16)"
    stopped.send_query_params(call.encode(), None)
    stopped.pipeline_sync()
    stopped.send_query_params(b"select * from awa.bodies(1)", None)
    stopped.pipeline_sync()
    stopped.flush()
    wait_until_writing(watcher, stopped.backend_pid)
    assert [jobs + 1] == claim(one, token=2).seqs
    again = claim(one, token=1)
    assert [(1, "settled", list(range(1, jobs + 1)))] == complete(one, again.row)


def wait_until_writing(watcher: Session, pid: int) -> None:
    """Wait for a fact: that backend has more to send than its client takes."""
    looked = "select wait_event = 'ClientWrite' from pg_stat_activity where pid = %s"
    while watcher.execute(looked, [pid]).fetchone() != (True,):
        assert value(watcher, "select count(*) from pg_stat_activity where pid = %s", [pid]) == 1


@pytest.mark.by_hand
def test_bodies_that_move_while_they_are_asked_for_are_found(
    session: NewSession, one: Session, start: Start, blocked: Blocked
) -> None:
    """Guards BodyKept: locked first, then read; an older snapshot would see them nowhere.

    The move is an evacuation's: the rows are copied to another slot, and theirs is truncated.
    """
    start_worker(one)
    enqueue_many(one, 3)
    claim(one, token=1)
    mover = session()
    mover.execute("begin; lock table awa.ready_0, awa.claims_0 in access exclusive mode")
    reading = start(session(), "select seq from " + bodies("1") + " order by seq")
    blocked(reading.pid)
    for table, slot in (("ready", "slot"), ("claims", "slot")):
        mover.execute(f"create temp table moved as select * from awa.{table}_0")
        mover.execute(f"update moved set {slot} = 4")
        mover.execute(f"insert into awa.{table} select * from moved")
        mover.execute(f"drop table moved; truncate awa.{table}_0")
    mover.execute("commit")
    assert [(1,), (2,), (3,)] == reading.rows()
    assert {4} == {r.slot for r in claim(one, token=1).rows}


def test_a_cancelled_claim_leaves_nothing(
    session: NewSession, one: Session, start: Start, blocked: Blocked
) -> None:
    """Guards NoJobLost: cancelled while it waits for its token, it holds and writes nothing."""
    start_worker(one)
    enqueue(one)
    holder = session()
    holder.execute("begin")
    holder.execute("select pg_advisory_xact_lock(awa.lk_claim(), hashint8(5))")
    claiming = session()
    waiting = start(claiming, "select * from awa.claim(1, 5, 5, '{default}', '{1}')")
    blocked(waiting.pid)
    one.execute("select pg_cancel_backend(%s)", [waiting.pid])
    with pytest.raises(psycopg.errors.QueryCanceled):
        waiting.rows()
    holder.execute("rollback")
    locks = "select count(*) from pg_locks where pid = %s and locktype = 'advisory'"
    assert 0 == value(one, locks, [waiting.pid])
    row = one.execute("select seqs from awa.claim(1, 6, 6, '{default}', '{1}')").fetchone()
    assert row is not None
    assert [1] == numbers(row[0])
