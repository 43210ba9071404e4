"""Sleeping and waking: the flag, the in-flight test, and who is notified."""

import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Blocked,
    Start,
    beat,
    claim,
    enqueue,
    enqueue_many,
    refused,
    release,
    start_worker,
    value,
)

SLEEP = "select awa.sleep_on(%s, %s)"


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Create two lanes beforehand: creating one notifies."""
    one.execute("select awa.ensure_lane('a'), awa.ensure_lane('b')")


@pytest.fixture
def listener(session: NewSession) -> Session:
    """Return a session that listens."""
    listening = session()
    listening.execute("listen awa")
    return listening


def heard(listener: Session, teller: Session) -> list[str]:
    """Return what was notified so far: a last word marks the end, so nothing is waited for."""
    teller.execute("notify awa, 'the end'")
    words: list[str] = []
    for notification in listener.notifies(timeout=10):
        if notification.payload == "the end":
            return words
        words.append(notification.payload)
    raise AssertionError("the end was not heard")


def test_a_sleeper_is_notified_at_commit(one: Session, other: Session, listener: Session) -> None:
    """Guards NoLostWakeup: the flag is seen, and the notification comes with the entry."""
    assert ["a"] == value(other, SLEEP, [["a"], 50])
    with one.transaction():
        enqueue(one, queue="a")
        enqueue(one, queue="b")
        assert [] == heard(listener, other)
    assert ["a"] == heard(listener, other)
    enqueue_many(one, 3, queue="a")
    assert ["a"] == heard(listener, other)


def test_nobody_is_notified_when_nobody_sleeps(
    one: Session, other: Session, listener: Session
) -> None:
    """Guards the cost: NOTIFY takes a database-wide lock, so only a sleeper is told."""
    value(other, SLEEP, [["b"], 50])
    enqueue(one, queue="a")
    other.execute("select awa.wake_up()")
    enqueue_many(one, 2, queue="b")
    assert [] == heard(listener, other)


def test_a_rollback_notifies_nobody(one: Session, other: Session, listener: Session) -> None:
    """Guards the wake-up's truth: it travels with the entry, or not at all."""
    value(other, SLEEP, [["a"], 50])
    with one.transaction(force_rollback=True):
        enqueue(one, queue="a")
    assert [] == heard(listener, other)


def test_notify_off_is_silent(one: Session, other: Session, listener: Session) -> None:
    """Guards awa.notify: for a transaction or a session; then a sleeper has to poll."""
    value(other, SLEEP, [["a"], 50])
    with one.transaction():
        one.execute("set local awa.notify = off")
        enqueue(one, queue="a")
    assert [] == heard(listener, other)
    enqueue(one, queue="a")
    assert ["a"] == heard(listener, other), "the setting was the transaction's own"


def test_what_comes_back_wakes_too(one: Session, other: Session, listener: Session) -> None:
    """Guards NoLostWakeup: a release and a reconciling beat make entries claimable."""
    start_worker(one)
    enqueue_many(one, 2, queue="a")
    first = claim(one, 1, token=1, queues=["a"]).row
    claim(one, 1, token=2, queues=["a"])
    value(other, SLEEP, [["a"], 50])
    release(one, first)
    assert ["a"] == heard(listener, other)
    assert ("alive", 1) == beat(one, 1, 2, [1])
    assert ["a"] == heard(listener, other)


def test_one_sleeper_per_queue(session: NewSession, one: Session, other: Session) -> None:
    """Guards the designated sleeper: the second times out on it, and gets the others."""
    assert ["a"] == value(one, SLEEP, [["a", "nowhere"], 50])
    assert ["b"] == value(other, SLEEP, [["a", "b"], 1])
    third = session()
    assert [] == value(third, SLEEP, [["b", "a"], 1])
    one.execute("select awa.wake_up()")
    assert ["a"] == value(third, SLEEP, [["b", "a"], 1])
    other.close()
    assert ["b"] == value(one, SLEEP, [["b", "a"], 1000]), "a session's end lets go"


def test_a_sleeper_waits_out_a_producers_momentary_test(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards NoLostWakeup: a try would fail beside a producer's test, and nobody would sleep."""
    with one.transaction():
        one.execute("select pg_advisory_xact_lock_shared(awa.lk_sleeping(), 1)")
        sleeping = start(other, SLEEP, [["a"], 10_000])
        blocked(sleeping.pid)
    assert [(["a"],)] == sleeping.rows()


def test_a_producers_test_leaves_nothing_behind(one: Session, other: Session) -> None:
    """Guards the test in one expression: no session lock of sleeping or in-flight remains."""
    start_worker(one)
    enqueue(one, queue="a")
    with one.transaction(force_rollback=True):
        enqueue(one, queue="a")
    claim(one, token=1, queues=["a"])
    value(one, "select awa.inflight('{a,b}')")
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = %s"
    assert 0 == value(other, held, [one.info.backend_pid])


def test_wake_up_drops_every_flag_of_the_session_and_no_other(one: Session, other: Session) -> None:
    """Guards sleepers out of permits: all queues' flags go, alive stays, others keep theirs."""
    value(one, SLEEP, [["a", "b"], 50])
    one.execute("select awa.hold_alive(1)")
    one.execute("select awa.wake_up()")
    one.execute("select awa.wake_up()")
    assert ["a", "b"] == value(other, SLEEP, [["a", "b"], 1])
    one.execute("select awa.wake_up()")
    assert [] == value(one, SLEEP, [["a"], 1])
    assert not value(other, "select pg_try_advisory_lock(awa.lk_alive(), hashint8(1))")


def test_alive_is_shared_by_a_workers_sessions_and_free_when_all_are_gone(
    session: NewSession, one: Session
) -> None:
    """Guards liveness: the lock says nothing while one connection of the worker lives."""
    free = "select pg_try_advisory_xact_lock(awa.lk_alive(), hashint8(7))"
    first, second = session(), session()
    for each in (first, second):
        each.execute("select awa.hold_alive(7)")
    assert not value(one, free)
    first.execute("select pg_advisory_unlock_all()")
    assert not value(one, free)
    second.execute("select pg_advisory_unlock_all()")
    assert value(one, free)


def test_in_flight_is_from_the_first_number_to_the_end(session: NewSession, one: Session) -> None:
    """Guards the sleeper's order: a producer it cannot see yet is in flight in its lanes."""
    asked = "select awa.inflight(%s)"
    producer = session()
    assert not value(one, asked, [["a", "b", "nowhere"]])
    alike: list[dict[str, list[str]]] = [{}, {}]
    for jobs in (alike[:1], alike, [{}, {"tags": ["another"]}]):
        producer.execute("begin")
        assert not value(one, asked, [["a"]])
        if len(jobs) == 1:
            enqueue(producer, queue="a")
        else:  # alike they are stored as they are read, and else after they were read
            document = [{"kind": "k", "args": {}, "opts": {"queue": "a", **more}} for more in jobs]
            producer.execute("select awa.enqueue_many(%s)", [Jsonb(document)])
        assert value(one, asked, [["a"]])
        assert value(one, asked, [["b", "a"]])
        assert not value(one, asked, [["b"]])
        producer.execute("commit")
        assert not value(one, asked, [["a"]])


def test_the_sleepers_order_misses_no_producer(
    session: NewSession, one: Session, listener: Session
) -> None:
    """Guards NoLostWakeup: before the flag it is in flight or visible, after it we are notified."""
    start_worker(one)
    early, late = session(), session()
    early.execute("begin")
    enqueue(early, queue="a")
    value(one, SLEEP, [["a"], 50])
    assert value(one, "select awa.inflight('{a}')"), "so it polls"
    late.execute("begin")
    enqueue(late, queue="a")
    early.execute("commit")
    assert [] == heard(listener, one), "the early one had seen no flag"
    assert [1] == claim(one, token=1, queues=["a"]).seqs, "the look finds it"
    late.execute("commit")
    assert ["a"] == heard(listener, one)


def test_pass_on_tells_each_queue_once(one: Session, listener: Session) -> None:
    """Guards NoLostWakeup: a worker that cannot take more tells the others."""
    one.execute("select awa.pass_on('{a,b}')")
    assert ["a", "b"] == heard(listener, one)
    one.execute("set awa.notify = off")
    one.execute("select awa.pass_on('{a,b}'), awa.pass_on('{}')")
    assert [] == heard(listener, one)


def test_a_sleep_without_end_is_refused(one: Session, other: Session) -> None:
    """Guards the time-out: 0 would turn it off, and the worker would wait for another's sleep."""
    value(other, SLEEP, [["a"], 50])
    for wait_ms in (0, -1, None):
        with refused("AW001", "wait_ms"):
            one.execute(SLEEP, [["a"], wait_ms])


def test_the_time_out_is_the_sleeps_alone(one: Session) -> None:
    """Guards the caller's settings: in a larger transaction its own lock_timeout is kept."""
    with one.transaction():
        one.execute("set local lock_timeout = '7s'")
        value(one, SLEEP, [["a"], 50])
        assert "7s" == value(one, "show lock_timeout")
