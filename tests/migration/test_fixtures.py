"""Databases of earlier versions are kept: what was installed once can always be brought here."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from awa._core.entries import Ask, WorkerInfo
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.install import SCHEMA_VERSION, migrate
from tests.fix_database import open_session
from tests.migration.make_schema_1 import FIXTURE, WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fix_database import Session

STORAGE = Storage()

# Everything a schema is made of, by name and definition.
OBJECTS = """
select 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
from pg_proc p where p.pronamespace = 'awa'::regnamespace
union all
select 'column', a.attrelid::regclass || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'awa'::regnamespace and c.relkind in ('r', 'p', 'v') and a.attnum > 0
union all
select 'index', i.indexname, i.indexdef from pg_indexes i where i.schemaname = 'awa'
union all
select 'view', v.viewname, v.definition from pg_views v where v.schemaname = 'awa'
order by 1, 2
"""


@pytest.fixture
def upgraded(empty_database: str) -> Iterator[Session]:
    """A session in a database that was made by version 1 and brought to this one."""
    with open_session(empty_database) as loading:
        loading.execute(FIXTURE.read_bytes())
    with open_session(empty_database) as opened:
        run_sync(opened, migrate())
        yield opened


def test_the_fixture_is_brought_to_this_version(upgraded: Session) -> None:
    """And every property that `check` knows holds."""
    assert SCHEMA_VERSION == run_sync(upgraded, STORAGE.schema_version())
    assert () == run_sync(upgraded, STORAGE.check())


def test_jobs_in_every_state_are_read(upgraded: Session) -> None:
    """Each job's kind says what it was when the fixture was made."""
    rows = upgraded.execute("select kind, state, run_lease, result from awa.jobs").fetchall()
    jobs: dict[str, list[Any]] = {row[0]: list(row[1:]) for row in rows}
    assert {
        "available": ["available", 1, None],
        "cancelled": ["cancelled", 1, None],
        "completed": ["completed", 1, {"answer": 42}],
        "failed": ["failed", 25, None],
        "released": ["available", 2, None],
        "retryable": ["retryable", 1, None],
        "running": ["running", 1, None],
        "scheduled": ["scheduled", 0, None],
        # Parking comes with a later version, which reads the lease.
        "waiting_external": ["running", 1, None],
    } == jobs
    assert [("dead_lettered",)] == upgraded.execute("select kind from awa.dlq").fetchall()
    attempts = "select kind, outcome from awa.attempts order by run_lease, seq"
    assert [
        ("completed", "completed"),
        ("released", "released"),
        ("running", None),
        ("waiting_external", None),
    ] == upgraded.execute(attempts).fetchall()
    assert [("default",)] == upgraded.execute("select queue from awa.queues").fetchall()


def test_work_goes_on_where_it_stopped(upgraded: Session) -> None:
    """The cursor, the numbers and the open claims survived the dump."""
    claim = STORAGE.claim(WORKER, call=2, token=1002, asks=[Ask(queue="default", limit=10)])
    run_sync(upgraded, claim)
    kinds = {body.kind: body.run_lease for body in chain(*run_sync(upgraded, STORAGE.bodies(1002)))}
    assert {"released": 2, "available": 1} == kinds
    still_open = {body.kind for body in chain(*run_sync(upgraded, STORAGE.bodies(1001)))}
    assert {"running", "waiting_external"} == still_open
    info = WorkerInfo(name="n", host="h", pid=2, queues=("default",), version="0.1.0")
    assert "started" == run_sync(upgraded, STORAGE.worker_start(WORKER + 1, info))


def test_an_upgraded_database_is_a_fresh_one(upgraded: Session, database: str) -> None:
    """Functions, columns, indexes and views are the same, whichever way they came.

    While version 1 is not released a difference means: make the fixture again (make_schema_1).
    """
    with open_session(database) as fresh:
        assert fresh.execute(OBJECTS).fetchall() == upgraded.execute(OBJECTS).fetchall()
