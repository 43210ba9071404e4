from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Blocked,
    Start,
    claim,
    enqueue,
    enqueue_many,
    everything,
    refused,
    row,
    start_worker,
    value,
)

ENQUEUE = "select * from awa.enqueue(%s, %s, %s)"
ENQUEUE_ONE: LiteralString = "select awa.enqueue('k', '{}')"
ENQUEUE_TWO: LiteralString = (
    """select awa.enqueue_many('[{"kind": "k", "args": 1}, {"kind": "k", "args": 2}]')"""
)


def test_a_job_is_available_with_its_defaults(one: Session) -> None:
    """Guards the answer and the defaults: queue default, priority 2, 25 attempts."""
    assert (1, "available", False, "inserted") == row(one, "select * from awa.enqueue('k', '[1]')")
    assert (1, "k", "default", 2, "available", 1, 25, 1, 0, [1], {}) == row(
        one,
        "select id, kind, queue, priority, state, attempt, max_attempts, run_lease, losses, args,"
        " extra from awa.jobs",
    )


def test_options_at_their_bounds_are_kept(one: Session) -> None:
    """Guards the bounds: they belong to what is allowed."""
    for opts, column, expected in (
        ({"queue": "q" * 200}, "queue", "q" * 200),
        ({"queue": "🐦" * 200}, "queue", "🐦" * 200),
        ({"priority": 1}, "priority", 1),
        ({"priority": 4.0}, "priority", 4),
        ({"max_attempts": 1}, "max_attempts", 1),
        ({"max_attempts": 1000}, "max_attempts", 1000),
        ({"tags": []}, "extra", {"tags": []}),
        ({"tags": ["t"] * 20}, "extra", {"tags": ["t"] * 20}),
        ({"metadata": {}}, "extra", {"metadata": {}}),
        ({"deadline_s": 0}, "extra", {"deadline_s": 0}),
        ({"deadline_s": 0.25}, "extra", {"deadline_s": 0.25}),
    ):
        found = row(one, ENQUEUE, ["k" * 200, Jsonb([]), Jsonb(opts)])
        assert expected == value(one, f"select {column} from awa.jobs where id = %s", [found[0]])


BAD_OPTIONS: list[tuple[str, Any]] = [
    ("opts", None),
    ("opts", []),
    ("opts", "x"),
    ("run_at", {"run_at": "2030-01-01"}),
    ("run_at", {"run_at": "2030-01-01T10:00:00+16:00"}),
    ("Queue", {"Queue": "q"}),
    ("queue", {"queue": ""}),
    ("queue", {"queue": "q" * 201}),
    ("queue", {"queue": 5}),
    ("queue", {"queue": None}),
    ("priority", {"priority": 0}),
    ("priority", {"priority": 5}),
    ("priority", {"priority": 2.5}),
    ("priority", {"priority": "2"}),
    ("priority", {"priority": None}),
    ("priority", {"priority": 10**30}),
    ("max_attempts", {"max_attempts": 0}),
    ("max_attempts", {"max_attempts": 1001}),
    ("max_attempts", {"max_attempts": True}),
    ("tags", {"tags": "t"}),
    ("tags", {"tags": {"t": 1}}),
    ("tags", {"tags": None}),
    ("tags", {"tags": ["t"] * 21}),
    ("tags", {"tags": ["t", 1]}),
    ("tags", {"tags": [None]}),
    ("metadata", {"metadata": []}),
    ("metadata", {"metadata": None}),
    ("deadline_s", {"deadline_s": -0.1}),
    ("deadline_s", {"deadline_s": 0.0009}),
    ("deadline_s", {"deadline_s": 3153600001}),
    ("deadline_s", {"deadline_s": 10**400}),
    ("deadline_s", {"deadline_s": "1"}),
    ("deadline_s", {"deadline_s": None}),
]


def test_bad_jobs_are_refused_and_nothing_is_written(one: Session) -> None:
    """Guards AW001 for each field of one job and of a document: no row and no lane."""
    enqueue(one)
    before = everything(one)
    many = "select * from awa.enqueue_many(jsonb_build_array(%s::jsonb, %s::jsonb))"
    good = Jsonb({"kind": "k", "args": {}, "opts": {"queue": "new", "priority": 4}})
    for field, opts in BAD_OPTIONS:
        with refused("AW001", field):
            one.execute(ENQUEUE, ["k", Jsonb({}), Jsonb(opts)])
        if opts is not None:
            with refused("AW001", field):
                one.execute(many, [good, Jsonb({"kind": "k", "args": {}, "opts": opts})])
    for kind in (None, "", "k" * 201):
        with refused("AW001", "kind"):
            one.execute(ENQUEUE, [kind, Jsonb({}), Jsonb({})])
    for args in (None, Jsonb(None)):
        with refused("AW001", "args"):
            one.execute(ENQUEUE, ["k", args, Jsonb({})])
    with refused("AW001", "opts"):
        one.execute(ENQUEUE, ["k", Jsonb({}), None])
    assert before == everything(one)


@pytest.mark.parametrize("opts", ["{}", '{"delay_s": 60}'])
def test_what_no_worker_could_be_sent_is_refused(one: Session, opts: str) -> None:
    """Guards the other jobs of a claim: fifty of the largest are still sent as one text."""
    stored = "select id from awa.enqueue('k', to_jsonb(repeat('x', %s)), %s)"
    one.execute(stored, [8_000_000, opts])
    with pytest.raises(psycopg.errors.CheckViolation, match="size_inv"):
        one.execute(stored, [9_000_000, opts])


LEVELS = ("read committed", "repeatable read", "serializable")


@pytest.mark.parametrize("level", LEVELS)
def test_a_business_transaction_of_any_level_enqueues(
    session: NewSession, one: Session, level: str
) -> None:
    """Guards enqueue's promise: savepoints, several calls, its own snapshot, all or nothing."""
    start_worker(one)
    one.execute("create table orders (n int)")
    one.execute("select awa.ensure_lane('default')")
    business = session()
    business.execute(f"begin isolation level {level}")
    business.execute("insert into orders select count(*) + 1 from awa.jobs")
    enqueue(one)
    enqueue(business)
    with business.transaction(force_rollback=True):
        enqueue_many(business, 2)
    with business.transaction():
        enqueue_many(business, 2)
    assert [1] == claim(one, token=1).seqs
    business.execute("commit")
    enqueue(one)
    assert [2, 5, 6, 7] == claim(one, token=2).seqs
    assert 1 == value(one, "select count(*) from orders")


def test_a_lane_made_after_the_snapshot_is_a_serialization_error(
    session: NewSession, one: Session
) -> None:
    """Guards honesty about the first job of a lane nobody declared: the caller tries again."""
    business = session()
    with refused("40001"), business.transaction():
        business.execute("set transaction isolation level repeatable read")
        business.execute("select 1")
        one.execute("select awa.ensure_lane('default')")
        enqueue(business)
    enqueue(business)
    assert 1 == value(one, "select count(*) from awa.jobs")


def test_two_phase_commit_enqueues_when_nobody_sleeps(session: NewSession, one: Session) -> None:
    """Guards two-phase commit: prepared, invisible, then claimed first."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    for ending, seqs in (("commit", [1, 2]), ("rollback", [4])):
        producer = session()
        producer.execute("begin")
        enqueue(producer)
        producer.execute("prepare transaction 'two-phase'")
        enqueue(one)
        one.execute(f"{ending} prepared 'two-phase'")
        assert seqs == claim(one, token=seqs[0]).seqs


def test_a_sleeper_refuses_prepare_unless_notify_is_off(session: NewSession, one: Session) -> None:
    """Guards awa.notify: PostgreSQL refuses NOTIFY in a prepared transaction, and says so."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    assert ["default"] == value(one, "select awa.sleep_on('{default}', 50)")
    producer = session()
    producer.execute("begin")
    enqueue(producer)
    with refused("0A000", "NOTIFY"):
        producer.execute("prepare transaction 'refused'")
    producer.execute("rollback")
    producer.execute("set awa.notify = off")
    producer.execute("begin")
    enqueue(producer)
    enqueue_many(producer, 2)
    enqueue(producer, queue="declared here")
    producer.execute("prepare transaction 'accepted'")
    one.execute("commit prepared 'accepted'")
    assert [2, 3, 4] == claim(one, token=1).seqs


def test_kinds_and_queues_of_any_script(one: Session) -> None:
    """Guards unicode: stored as given; two spellings of a letter are two queues."""
    for queue in ("ﬁ", "fi", "e\u0301", "\u00e9", " ", "a b", "Ä'\"\\%s"):
        enqueue(one, queue=queue)
    assert 7 == value(one, "select count(distinct queue) from awa.jobs")


def test_enqueuing_never_waits_for_other_producers(session: NewSession, one: Session) -> None:
    """Guards that enqueue never waits: twelve transactions open on one lane all proceed."""
    one.execute("select awa.ensure_lane('default')")
    producers = [session() for _ in range(12)]
    for producer in producers:
        producer.execute("set lock_timeout = '5s'")
        producer.execute("begin")
        enqueue(producer)
        enqueue_many(producer, 2)
    for producer in reversed(producers):
        enqueue(producer)
        producer.execute("commit")
    assert 48 == value(one, "select count(*) from awa.jobs")


@pytest.mark.parametrize("statement", [ENQUEUE_ONE, ENQUEUE_TWO])
def test_a_drawn_number_has_its_lock_and_its_xid(
    session: NewSession, one: Session, start: Start, blocked: Blocked, statement: LiteralString
) -> None:
    """Guards HoleSafety: stopped between its number and its row, a producer can be seen."""
    one.execute("select awa.ensure_lane('default')")
    gate = session()
    gate.execute("begin; lock table awa.ready_0 in share mode")
    producing = start(session(), statement)
    blocked(producing.pid)
    assert value(one, "select is_called from awa.lane_1_seq")
    locks = one.execute(
        "select l.locktype from pg_locks l where l.pid = %s and l.granted"
        " and (l.locktype = 'transactionid' or (l.classid = awa.lk_inflight()::oid"
        " and l.objid = 1 and l.mode = 'ShareLock')) order by 1",
        [producing.pid],
    ).fetchall()
    assert [("advisory",), ("transactionid",)] == locks
    assert value(one, "select awa.inflight('{default}')")
    gate.execute("rollback")
    producing.rows()
