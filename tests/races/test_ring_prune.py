"""Prune against everybody: producers, claims, settles, readers, dumps and vacuums.

Nobody waits long for a prune, and a prune waits for nobody: it answers busy or held.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest

from tests.facts import wait_until
from tests.fix_database import NewSession, Session
from tests.fix_ring import bytes_in, pruned, turn
from tests.fix_sql import (
    CLAIM,
    COMPLETE,
    ENQUEUE,
    Blocked,
    Row,
    Start,
    answers,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    enqueue_many,
    settle_params,
    start_worker,
    value,
)


@pytest.fixture
def finished(one: Session) -> Row:
    """Return the claim of five completed entries in slot 0; the current slot is 1."""
    start_worker(one)
    enqueue_many(one, 5)
    taken = claim(one, token=1).row
    complete(one, taken, settle_id=1)
    turn(one)
    return taken


@contextmanager
def late_producer(session: Session) -> Iterator[None]:
    """Go back to slot 0 for what is enqueued meanwhile: a producer that read the hint long ago."""
    session.execute("select setval('awa.ring_seq', 0)")
    yield
    session.execute("select setval('awa.ring_seq', 1)")


def test_a_slow_producer_is_not_waited_for(one: Session, other: Session, finished: Row) -> None:
    """Guards Enqueue never waits (S2): prune gives up, and its queue of waiters is gone."""
    with other.transaction():
        with late_producer(one):
            enqueue(other)
        assert "held" == pruned(one)
        with late_producer(one):
            enqueue(one)
    assert "needed" == pruned(one)
    assert [6, 7] == claim(one, token=2).seqs
    assert finished.slot == 0


def test_a_producer_that_has_just_come_is_not_waited_for(
    session: NewSession, one: Session, finished: Row, start: Start
) -> None:
    """Guards the 30 ms: who comes between the look for holders and the lock makes it busy."""
    producer, pruning, reader = session(), session(), session()

    def answer_of_one_prune() -> object:
        # the look sleeps only when it finds a holder: this reader ends before the second one
        reader.execute("begin; select from awa.ready_0")
        result = start(pruning, "select answer from awa.prune(0::smallint, 0)")
        asleep = "select wait_event = 'PgSleep' from pg_stat_activity where pid = %s"
        wait_until(
            lambda: value(one, asleep, [result.pid]) or not result.is_running(),
            what="second look for holders",
        )
        producer.execute("begin")
        with late_producer(one):
            enqueue(producer)
        reader.execute("commit")
        return result.rows()[0][0]

    def comes_in_time() -> bool:
        answer = answer_of_one_prune()
        if answer == "held":  # on a slow machine the second look was before the reader's end
            producer.execute("rollback")
            return False
        assert "busy" == answer
        return True

    wait_until(comes_in_time, what="a producer between the look for holders and the lock")
    producer.execute("rollback")
    assert "pruned" == pruned(one)
    assert finished.slot == 0


def test_a_claim_that_waits_for_a_prune_has_its_floor(
    session: NewSession, one: Session, finished: Row, start: Start, blocked: Blocked
) -> None:
    """Guards EntryClaimedOnce (C2): the floor is read last, by a snapshot newer than the lock."""
    enqueue_many(one, 2)
    pruner = session()
    with pruner.transaction():
        assert "pruned" == pruned(pruner)
        waiting = start(session(), CLAIM, claim_params(token=2))
        blocked(waiting.pid)
    assert [6, 7] == claimed(waiting.rows(), 2).seqs
    assert (2, 8) == one.execute("select no, next from awa.lane_now").fetchone()
    assert finished.slot == 0


def test_a_claim_that_waits_for_a_prune_that_fails_has_the_old_state(
    session: NewSession, one: Session, finished: Row, start: Start, blocked: Blocked
) -> None:
    """Guards EntryClaimedOnce: after a rollback the slot is as it was."""
    enqueue_many(one, 2)
    pruner = session()
    with pruner.transaction(force_rollback=True):
        assert "pruned" == pruned(pruner)
        waiting = start(session(), CLAIM, claim_params(token=2))
        blocked(waiting.pid)
    assert [6, 7] == claimed(waiting.rows(), 2).seqs
    assert [(1, "already", [1, 2, 3, 4, 5])] == complete(one, finished, settle_id=1)


def test_a_settle_that_waits_for_a_prune_is_told_that_it_ended(
    session: NewSession, one: Session, finished: Row, start: Start, blocked: Blocked
) -> None:
    """Guards OnlyKnownEnd: looked up in all live slots, and in none of them."""
    pruner = session()
    with pruner.transaction():
        assert "pruned" == pruned(pruner)
        waiting = start(session(), COMPLETE, settle_params([finished], None, 1, 1))
        blocked(waiting.pid)
    assert [(1, "ended", finished.seqs)] == answers(waiting.rows())
    assert 0 == bytes_in(one)


def test_an_open_settle_delays_the_prune_only(
    session: NewSession, one: Session, start: Start
) -> None:
    """Guards NoDeadlock (B10): a handler's transaction is a holder like any other."""
    start_worker(one)
    enqueue_many(one, 5)
    taken = claim(one).row
    turn(one)
    settler = session()
    with settler.transaction():
        complete(settler, taken)
        assert "held" == pruned(one)
        enqueue(one)
        assert [6] == claimed(start(session(), CLAIM, claim_params(token=2)).rows(), 2).seqs
    assert "pruned" == pruned(one)


def test_a_late_producer_waits_for_the_prune_and_its_entry_is_claimed(
    session: NewSession, one: Session, finished: Row, start: Start, blocked: Blocked
) -> None:
    """Guards HoleSafety (C4): a row in a slot that every list calls empty."""
    pruner = session()
    with pruner.transaction():
        assert "pruned" == pruned(pruner)
        with late_producer(one):
            waiting = start(session(), ENQUEUE)
            blocked(waiting.pid)
    waiting.rows()
    enqueue(one)
    assert [(0, [6]), (1, [7])] == [(r.slot, r.seqs) for r in claim(one, token=2).rows]
    assert finished.slot == 0


@pytest.mark.parametrize("look", ["select from awa.jobs", "select from awa.ready_0"])
def test_a_reader_who_stays_delays_the_prune_and_nothing_else(
    one: Session, other: Session, finished: Row, look: LiteralString
) -> None:
    """Guards Drains (B6): claims and settles never queue behind a prune that waits."""
    with other.transaction():
        other.execute(look)
        for _ in range(3):
            assert "held" == pruned(one)
        enqueue(one)
        complete(one, claim(one, token=2).row, settle_id=2)
    assert "pruned" == pruned(one)
    assert finished.slot == 0


def test_a_dump_delays_the_prune_and_keeps_what_it_saw(
    one: Session, other: Session, finished: Row
) -> None:
    """Guards backups: a REPEATABLE READ reader of all tables sees its jobs to the end."""
    other.execute("begin isolation level repeatable read, read only")
    other.execute("lock table awa.ready, awa.claims, awa.closures in access share mode")
    assert 5 == value(other, "select count(*) from awa.jobs where state = 'completed'")
    assert "held" == pruned(one)
    assert 5 == value(other, "select count(*) from awa.jobs where state = 'completed'")
    other.execute("commit")
    assert "pruned" == pruned(one)
    assert finished.slot == 0


def test_a_prepared_transaction_is_a_holder(one: Session, other: Session, finished: Row) -> None:
    """Guards two-phase commit: no process holds its locks."""
    with late_producer(one):
        other.execute("set awa.notify = off; begin")
        enqueue(other)
        other.execute("prepare transaction 'late'")
    assert "held" == pruned(one)
    other.execute("commit prepared 'late'")
    assert "needed" == pruned(one)
    assert [6] == claim(one, token=2).seqs
    assert finished.slot == 0


@pytest.mark.bulk
@pytest.mark.parametrize("command", ["vacuum", "analyze"])
def test_a_manual_vacuum_delays_the_prune(
    session: NewSession, one: Session, start: Start, command: LiteralString
) -> None:
    """Guards B5: it is neither cancelled nor waited for."""
    start_worker(one)
    enqueue_many(one, 3000)
    for token in range(1, 4):
        complete(one, claim(one, 1000, token=token).row, settle_id=token)
    turn(one)
    vacuuming = session()
    vacuuming.execute("set vacuum_cost_delay = 100")
    vacuuming.execute("set vacuum_cost_limit = 1")
    running = start(vacuuming, command + " awa.ready_0")
    held = (
        "select exists (select from pg_locks where pid = %s and relation = 'awa.ready_0'::regclass)"
    )
    wait_until(lambda: bool(value(one, held, [running.pid])), what="the vacuum's lock")
    assert "held" == pruned(one)
    assert running.is_running()
    one.execute("select pg_cancel_backend(%s)", [running.pid])
    with pytest.raises(psycopg.errors.QueryCanceled):
        running.rows()
    assert "pruned" == pruned(one)


PROVE = "select finished from awa.prove_finished(0::smallint, 0)"
EMPTY = "select awa.truncate_slot(0::smallint)"


@pytest.mark.by_hand  # the two halves of prune without its event
def test_no_row_appears_between_the_proof_and_the_truncation(
    session: NewSession, one: Session, finished: Row, start: Start, blocked: Blocked
) -> None:
    """Guards PruneEmpty (B7): a late producer waits from the proof on; claims do not."""
    pruner = session()
    with pruner.transaction():
        assert value(pruner, PROVE)
        with late_producer(one):
            waiting = start(session(), ENQUEUE)
            blocked(waiting.pid)
        enqueue(one)
        assert [7] == claim(one, token=2).seqs
        pruner.execute(EMPTY)
    waiting.rows()
    assert [6] == claim(one, token=3).seqs
    assert finished.slot == 0


@pytest.mark.by_hand  # the two halves of prune without its event
def test_a_state_written_after_the_proof_is_in_the_floor(one: Session, other: Session) -> None:
    """Guards CursorGrows (F2): what is moved is read after the exclusive lock."""
    start_worker(one)
    one.execute("select * from awa.cancel_pending(1, %s)", [enqueue_many(one, 3)])
    turn(one)
    with other.transaction():
        assert value(other, PROVE)
        assert ["default"] == claim(one).busy
        other.execute(EMPTY)
    assert (1, 4) == one.execute("select no, next from awa.lane_now").fetchone()
    enqueue(one)
    assert [4] == claim(one, token=2).seqs
