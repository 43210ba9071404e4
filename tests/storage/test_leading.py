from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from awa._storage.install import migrate_sync
from tests.fix_actions import cancel_running, dead_letter, dlq_retry, retry, snooze, told
from tests.fix_cluster import NewCluster
from tests.fix_database import NewSession, Session, crash, reconnected
from tests.fix_sql import (
    Row,
    beat,
    claim,
    complete,
    enqueue,
    enqueue_many,
    refused,
    start_worker,
    value,
)

FOR_EVER = 9223372036854775807


def lead(session: Session) -> bool:
    """Try to be the leader."""
    return bool(value(session, "select awa.lead()"))


def observe(session: Session) -> list[tuple[int, int, bool]]:
    """Look at every worker: its number, its counter, whether a session of it lives."""
    return session.execute("select worker, beat, alive from awa.observe()").fetchall()


def beaten(session: Session) -> dict[int, bool]:
    """Look whose last beat this run of the server has taken."""
    return dict(session.execute("select worker, beaten from awa.observe()").fetchall())


def strays(session: Session) -> list[int]:
    """Return the workers that claims name and that have no row."""
    return sorted(w for (w,) in session.execute("select awa.strays()").fetchall())


def timer_ms(session: Session) -> int:
    """Return what the timer is set to."""
    return int(value(session, "select last_value from awa.timer_seq"))


def test_one_session_leads_until_it_ends(session: NewSession, one: Session) -> None:
    """Guards the leader: one at a time; it may ask again; its end frees the seat."""
    leader = session()
    assert not value(one, "select awa.led()")
    assert lead(leader)
    assert lead(leader)
    assert not lead(one)
    assert value(one, "select awa.led()")
    assert value(leader, "select awa.led()")
    pid = leader.info.backend_pid
    leader.close()
    one.execute("select pg_terminate_backend(%s, 10000)", [pid])
    assert not value(one, "select awa.led()")
    assert lead(one)


def test_asking_whether_somebody_leads_leaves_nothing_behind(one: Session, other: Session) -> None:
    """Guards led: a test, not a seat."""
    for _ in range(3):
        assert not value(one, "select awa.led()")
    assert lead(other)
    assert 0 == value(
        one,
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    )


def test_an_observer_sees_counters_and_sessions(session: NewSession, one: Session) -> None:
    """Guards observe: alive while any session of the worker lives, whichever it is."""
    start_worker(one, 5)
    start_worker(one, -7)
    beat(one, 3, 0, worker=5)
    assert [(-7, 0, False), (5, 3, False)] == observe(one)
    first, second = session(), session()
    for each in (first, second):
        each.execute("select awa.hold_alive(5)")
    assert [(-7, 0, False), (5, 3, True)] == observe(one)
    for each, alive in ((first, True), (second, False)):
        one.execute("select pg_terminate_backend(%s, 10000)", [each.info.backend_pid])
        assert [(-7, 0, False), (5, 3, alive)] == observe(one)


@pytest.mark.parametrize("end", ["restart", "crash"])
def test_a_beat_counts_in_its_own_run_of_the_server(
    new_cluster: NewCluster, session: NewSession, end: str
) -> None:
    """Guards the living: with the server's run all locks end, and none is missed in the next."""
    cluster = new_cluster()
    conninfo = cluster.conninfo()
    migrate_sync(conninfo, schema="awa")
    before = session(conninfo)
    start_worker(before, 5)
    start_worker(before, 6)
    assert {5: False, 6: False} == beaten(before), "before its first beat nothing held its lock"
    for worker in (5, 6):
        beat(before, 3, 0, worker=worker)
    assert {5: True, 6: True} == beaten(before)
    if end == "crash":
        crash(before, conninfo)
    else:
        before.close()
        cluster.restart()
    after = reconnected(session, conninfo)
    assert {5: False, 6: False} == beaten(after)
    beat(after, 4, 0, worker=6)
    assert {5: False, 6: True} == beaten(after)


def test_strays_are_those_that_hold_claims_and_have_no_row(one: Session) -> None:
    """Guards Reclaims: stopped and removed workers; a row in any slot; living ones are none."""
    assert [] == strays(one)
    for n, worker in enumerate((-(2**60), 1, 2, 2**63 - 1)):
        start_worker(one, worker)
        for slot in (3, 7):
            one.execute("select setval('awa.ring_seq', %s)", [slot])
            enqueue(one)
            claim(one, token=10 * n + slot, worker=worker, call=slot)
    assert [] == strays(one)
    for worker in (-(2**60), 2):
        one.execute("select awa.worker_stop(%s)", [worker])
    assert [-(2**60), 2] == sorted(set(strays(one)))


def test_a_worker_that_settled_everything_may_still_be_named(one: Session) -> None:
    """Guards strays' honesty: claims are not removed, so most of the named left nothing open."""
    start_worker(one)
    enqueue(one)
    complete(one, claim(one, token=1).row)
    one.execute("select awa.worker_stop(1)")
    assert [1] == strays(one)


def test_the_timer_is_for_ever_while_the_leader_looks(one: Session) -> None:
    """Guards NoLostWakeup: from arming on every deferral is earlier, so it is told."""
    assert value(one, "select awa.arm_timer()")
    assert FOR_EVER == timer_ms(one)
    at = datetime(2100, 1, 1, 0, 0, 0, 1500, tzinfo=UTC)
    one.execute("select awa.set_timer(%s)", [at])
    assert int(at.timestamp()) * 1000 + 2 == timer_ms(one)
    for nothing in (None, "infinity"):
        one.execute("select awa.set_timer(%s)", [at])
        one.execute("select awa.set_timer(%s)", [nothing])
        assert FOR_EVER == timer_ms(one)
    one.execute("select awa.set_timer(%s)", [datetime(1960, 1, 1, tzinfo=UTC)])
    assert 0 == timer_ms(one)


def test_arming_says_whether_somebody_is_deferring(one: Session, other: Session) -> None:
    """Guards NoLostWakeup: who read the timer before it was armed may tell nobody."""
    other.execute("begin")
    enqueue(other, delay_s=60)
    assert not value(one, "select awa.arm_timer()")
    other.execute("commit")
    assert value(one, "select awa.arm_timer()")
    other.execute("begin")
    enqueue(other)
    assert value(one, "select awa.arm_timer()")
    other.execute("rollback")


DEFERRALS: Final[dict[str, Callable[[Session, Row, int], object]]] = {
    "snooze": lambda session, row, _: snooze(session, row),
    "retry": lambda session, row, _: retry(session, row),
    "enqueue_many": lambda session, _, __: enqueue_many(session, 1, delay_s=60),
    "dlq_retry": lambda session, _, dead: dlq_retry(session, dead, delay_s=60),
}


@pytest.mark.parametrize("action", DEFERRALS)
def test_whatever_defers_a_job_says_so_until_it_commits(
    one: Session, other: Session, action: str
) -> None:
    """Guards NoLostTimer: a job that comes back later is awaited like a new one."""
    dead = dead_letter(one)
    enqueue(one)
    taken = claim(one, token=7).row
    with other.transaction():
        DEFERRALS[action](other, taken, dead)
        assert not value(one, "select awa.arm_timer()")
    assert value(one, "select awa.arm_timer()")


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_a_deferral_that_begins_after_the_arming_tells_in_any_isolation(
    session: NewSession, one: Session, level: str
) -> None:
    """Guards NoLostWakeup: the timer is a sequence: an old snapshot does not hide it."""
    ear, business = session(), session()
    one.execute("select awa.ensure_lane('default')")
    one.execute("select awa.set_timer(%s)", [datetime.now(UTC)])
    business.execute(f"begin isolation level {level}")
    business.execute("select count(*) from awa.jobs")
    assert value(one, "select awa.arm_timer()")
    with told(ear, "select awa_name()") as heard:
        enqueue(business, run_at=(datetime.now(UTC) + timedelta(days=900)).isoformat())
        business.execute("commit")
    assert [""] == heard


def test_a_worker_asks_about_calls_as_ranges(one: Session) -> None:
    """Guards ended_elsewhere: sets with gaps are asked about; sets without an end are refused."""
    start_worker(one)
    enqueue_many(one, 3)
    for call in (1, 2, 3):
        row = claim(one, 1, token=call, call=call).row
        cancel_running(one, row, worker=None, settle_id=call)
    asked = "select call from awa.ended_elsewhere(1, %s) e join awa.claims c using (token)"
    for calls, expected in (
        ("{[1,2),[3,4)}", [1, 3]),
        ("{[2,90)}", [2, 3]),
        ("{}", []),
    ):
        assert expected == sorted(c for (c,) in one.execute(asked, [calls]).fetchall())
    for wrong in ("{[2,)}", "{(,2)}", None):
        with refused("AW001", "calls"):
            one.execute(asked, [wrong])
