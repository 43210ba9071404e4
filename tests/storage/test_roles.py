from collections.abc import Callable, Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from awa._storage.executors import run_sync
from awa._storage.install import RoleNames, install_roles
from tests.fix_database import NewSession, Session
from tests.fix_sql import claim, complete, enqueue, everything, start_worker, value

ROLES = ("producer", "worker", "operator", "reader")
As = Callable[[str], Session]

PRODUCING: tuple[LiteralString, ...] = (
    "select awa.ensure_lane('q')",
    "select awa.enqueue('k', '{}')",
    """select awa.enqueue_many('[{"kind": "k", "args": {}}]')""",
)
WORKING: tuple[LiteralString, ...] = (
    "select awa.worker_start(9, '{}')",
    "select awa.heartbeat(9, 1, 0, '{}')",
    "select awa.claim(9, 1, 90, '{default}', '{1}')",
    "select awa.bodies(90)",
    "select awa.complete(9, 1, '{}', '{}', '{}', '{}')",
    "select awa.release(9, 1, '{}', '{}', '{}', '{}')",
    "select awa.hold_alive(9)",
    "select awa.sleep_on('{default}', 10)",
    "select awa.wake_up()",
    "select awa.inflight('{default}')",
    "select awa.pass_on('{default}')",
    "select awa.overrides_of('{default}')",
    "select awa.retry(9, 1, '{}', '{}', '{}', '{}')",
    "select awa.snooze(9, 1, '{}', '{}', '{}', '{}', '{}')",
    "select awa.fail(9, 1, '{}', '{}', '{}', '{}')",
    "select awa.ended_elsewhere(9, '{}')",
    "select awa.settled_by(9, 1, 1::smallint, 1)",
    "select awa.note_progress(9, '{1}', '{1}', '{1}', '{1}', array['{}'::jsonb])",
    "select awa.tell_unknown(9, '[]')",
    "select awa.worker_stop(9)",
)
LEADING: tuple[LiteralString, ...] = (
    "select awa.lead()",
    "select awa.led()",
    "select awa.observe()",
    "select awa.strays()",
    "select awa.rescue_worker(9, null)",
    "select awa.rescue_deadline()",
    "select awa.arm_timer()",
    "select awa.set_timer(null)",
    "select awa.retire()",
    "select awa.rotate()",
    "select awa.prune(3::smallint)",
    "select awa.evacuate(3::smallint)",
    "select awa.declare_schedules('n', '[]')",
    "select awa.due_schedules()",
    "select awa.fire('n', 's', 1, null, '{}', null)",
)
ENDING: tuple[LiteralString, ...] = (
    "select awa.cancel_running(null, 1, '{}', '{}', '{}', '{}')",
    "select awa.promote()",
)
OPERATING: tuple[LiteralString, ...] = (
    "select awa.cancel_pending(1, '{}')",
    "select awa.dlq_move(1, '{}')",
    "select awa.dlq_retry(1, '{}')",
    "select awa.dlq_purge(1, '{}')",
    "select awa.pause_queue('default')",
    "select awa.resume_queue('default')",
    "select awa.override_queue('default', '{}')",
    "select awa.configure_queue('default', '{}')",
    "select awa.configure_defaults('{}')",
    """select awa.put_schedule('n', 's', '{"cron": "@daily", "kind": "k", "args": {}}')""",
    "select awa.pause_schedule('n', 's')",
    "select awa.resume_schedule('n', 's')",
    "select awa.trigger_schedule('n', 's')",
    "select awa.delete_schedule('n', 's')",
)
LOOKING_INTO: tuple[LiteralString, ...] = ("select awa.census(1)", 'select awa."check"()')
LOOKING: tuple[LiteralString, ...] = (
    "select awa.schema_version()",
    """select awa.unique_key('k', '{"a": 1}')""",
    "select awa.ordering_shard('customer-7', 8)",
    "select awa.jobs_by_id('{1}')",
    "select awa.jobs_page()",
    "select awa.attempts_of('{1}')",
    "select awa.key_holder('')",
    "select awa.storage_status()",
    "select awa.unknown_kinds()",
    "select * from awa.jobs",
    "select * from awa.dead_letters",
    "select * from awa.acts",
    "select * from awa.attempts",
    "select * from awa.queues",
    "select * from awa.queue_settings",
    "select * from awa.schedules",
)
TUNING: tuple[LiteralString, ...] = ("update awa.queue_settings set deadline_s = 5, aging_s = 6",)
ALLOWED = {
    "producer": PRODUCING + LOOKING,
    "worker": PRODUCING + WORKING + ENDING + LEADING + LOOKING,
    "operator": PRODUCING + ENDING + OPERATING + LOOKING_INTO + LOOKING + TUNING,
    "reader": LOOKING_INTO + LOOKING,
}
EVERY = (
    *(PRODUCING + WORKING + ENDING + LEADING + OPERATING),
    *(LOOKING_INTO + LOOKING + TUNING),
)


@pytest.fixture
def names(one: Session) -> Iterator[RoleNames]:
    """Return roles of this test's own; roles are the cluster's, so they are dropped at the end."""
    suffix = one.info.dbname
    found = RoleNames(**{role: f"{role} of {suffix}" for role in ROLES})
    run_sync(one, install_roles("awa", found))
    yield found
    for role in ROLES:
        each = sql.Identifier(getattr(found, role))
        one.execute(sql.SQL("drop owned by {}").format(each))
        one.execute(sql.SQL("drop role {}").format(each))


@pytest.fixture
def as_role(session: NewSession, names: RoleNames) -> As:
    """Return `as_role(role)`: a session that acts as that role."""

    def act(role: str) -> Session:
        acting = session()
        acting.execute(sql.SQL("set role {}").format(sql.Identifier(getattr(names, role))))
        return acting

    return act


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_its_part_and_nothing_else(one: Session, as_role: As, role: str) -> None:
    """Guards least privilege: everything a role needs works; the rest is refused."""
    enqueue(one)
    acting = as_role(role)
    for statement in EVERY:
        if statement in ALLOWED[role]:
            acting.execute(statement)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                acting.execute(statement)


@pytest.mark.parametrize("role", ROLES)
def test_no_table_the_protocol_rests_on_is_granted(one: Session, as_role: As, role: str) -> None:
    """Guards the only door: not read, not written, not even a number drawn."""
    enqueue(one)
    acting = as_role(role)
    tables = [t for t in everything(one) if t not in {"queue_settings", "acts", "sequences"}]
    for table in (*tables, "ready_0", "claims_0", "closures_0", "ring_seq", "job_id_seq"):
        name = sql.SQL("awa.{}").format(sql.Identifier(table))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            acting.execute(sql.SQL("select * from {}").format(name))
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
            acting.execute(sql.SQL("delete from {}").format(name))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acting.execute("select nextval('awa.lane_1_seq')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acting.execute("update awa.queue_settings set queue = 'other'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acting.execute("delete from awa.queue_settings")


def test_nobody_else_may_call_an_internal_function(one: Session, as_role: As) -> None:
    """Guards the only door: no role executes what it was not granted; public nothing."""
    granted = {
        name
        for (name,) in one.execute(
            "select distinct p.proname from pg_proc p, aclexplode(p.proacl) a"
            " where p.pronamespace = 'awa'::regnamespace and a.grantee <> p.proowner"
        ).fetchall()
    }
    public = one.execute(
        "select p.proname from pg_proc p left join aclexplode(p.proacl) a on a.grantee = 0"
        " where p.pronamespace = 'awa'::regnamespace and (a.grantee = 0 or p.proacl is null)"
    ).fetchall()
    assert [] == public
    spoken = {s.split("awa.")[1].split("(")[0].strip('"') for s in EVERY if "(" in s}
    assert spoken == granted - {"lane_last_number", "lane_counts", "queue_counts"}


def test_what_the_views_count_is_the_same_for_every_role(one: Session, as_role: As) -> None:
    """Guards the queues view: a reader without rights on sequences sees what the owner sees."""
    start_worker(one)
    for _ in range(3):
        enqueue(one)
    complete(one, claim(one, 1, token=1).row)
    looked = "select available, running, completed from awa.queues"
    assert [(2, 0, 1)] == one.execute(looked).fetchall()
    for role in ROLES:
        assert [(2, 0, 1)] == as_role(role).execute(looked).fetchall()


def test_a_callers_search_path_changes_nothing(one: Session, as_role: As) -> None:
    """Guards definers' rights: a caller's own objects are not found by our functions."""
    acting = as_role("producer")
    acting.execute("create temp table lanes (lane int)")
    acting.execute("create temp table ready (lane int)")
    acting.execute("set search_path = pg_temp, public")
    enqueue(acting)
    assert 1 == value(one, "select count(*) from awa.ready")


def test_roles_may_be_installed_again_and_be_there_already(one: Session, names: RoleNames) -> None:
    """Guards the separate step: repeatable, whoever made the roles."""
    run_sync(one, install_roles("awa", names))
    run_sync(one, install_roles("awa", names))
