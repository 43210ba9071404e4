"""Installing the schema: entirely or not at all, once however many try, and never over a newer."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

import awa.errors
from awa._storage import install
from awa._storage.connecting import open_connection
from awa._storage.executors import run_sync, run_trio
from awa._storage.functions import Storage
from awa._storage.install import (
    SCHEMA_VERSION,
    RoleNames,
    install_roles,
    migrate,
    migrate_sync,
    migration_sql,
    require_version,
)
from awa.errors import ConfigurationError, SchemaMissing, SchemaNewer, SchemaOlder, WrongIsolation
from tests.fix_database import open_session
from tests.migration.make_schema_1 import WORKER, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from awa.embedded import Cluster
    from tests.fix_database import Session

SQL = Path(awa.errors.__file__).parent / "sql"
ODD = """it's "odd" %s 100% $1 \\ ü"""


@pytest.fixture
def empty(empty_database: str) -> Iterator[Session]:
    """A session in a database without the schema."""
    with open_session(empty_database) as opened:
        yield opened


def objects(session: Session) -> list[tuple[Any, ...]]:
    """Every relation and function that is not PostgreSQL's own, with its oid."""
    return session.execute(
        """
        select 'relation', oid::bigint, relname from pg_class where oid >= 16384
        union all select 'function', oid::bigint, proname from pg_proc where oid >= 16384
        union all select 'schema', oid::bigint, nspname from pg_namespace where oid >= 16384
        order by 1, 2
        """
    ).fetchall()


def test_a_fresh_database_gets_the_schema_of_this_version(empty: Session) -> None:
    """And the actions answer."""
    with pytest.raises(SchemaMissing, match="awa migrate"):
        run_sync(empty, Storage().schema_version())
    run_sync(empty, migrate())
    assert SCHEMA_VERSION == run_sync(empty, Storage().schema_version())
    assert () == run_sync(empty, Storage().check())


def test_migrating_again_changes_nothing(empty: Session) -> None:
    """Every start of every process may migrate."""
    run_sync(empty, migrate())
    before = objects(empty)
    run_sync(empty, migrate())
    assert before == objects(empty)


def test_a_failure_half_way_leaves_nothing(empty: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Atomic even on a connection in autocommit: the last file fails, the first is gone too."""
    order = (*install.installation_order(), "internal/guards.sql")
    monkeypatch.setattr(install, "installation_order", lambda: order)
    with pytest.raises(psycopg.errors.DuplicateFunction):
        run_sync(empty, migrate())
    assert [] == objects(empty)
    assert [('"$user", public',)] == empty.execute("show search_path").fetchall()


def test_migrating_is_part_of_the_callers_transaction(empty: Session) -> None:
    """Rolled back with it, and its search path stays as it was."""
    with empty.transaction(force_rollback=True):
        run_sync(empty, migrate())
        assert [('"$user", public',)] == empty.execute("show search_path").fetchall()
    assert [] == objects(empty)


def test_two_migrators_at_once_install_one_schema(
    empty: Session, empty_database: str, blocked: Callable[[int], None]
) -> None:
    """The second waits for the first, then sees what the first committed."""
    with open_session(empty_database) as second, ThreadPoolExecutor(1) as thread:
        with empty.transaction():
            run_sync(empty, migrate())
            late = thread.submit(run_sync, second, migrate())
            blocked(second.info.backend_pid)
        late.result()
        assert SCHEMA_VERSION == run_sync(second, Storage().schema_version())
    assert 1 == sum(name == "ready" for _, _, name in objects(empty))


def test_a_newer_schema_is_refused_before_it_is_touched(empty: Session) -> None:
    """An old program that starts late must not put old functions over new data."""
    run_sync(empty, migrate())
    empty.execute("update awa.meta set schema_version = %s", [SCHEMA_VERSION + 1])
    before = objects(empty)
    with pytest.raises(SchemaNewer) as caught:
        run_sync(empty, migrate())
    assert ("awa", SCHEMA_VERSION + 1) == (caught.value.schema, caught.value.found)
    assert before == objects(empty)


def test_a_program_refuses_a_schema_of_another_version() -> None:
    """Newer: upgrade the program. Older: migrate. The same: work."""
    require_version(SCHEMA_VERSION)
    with pytest.raises(SchemaNewer, match="upgrade"):
        require_version(SCHEMA_VERSION + 1)
    with pytest.raises(SchemaOlder, match="awa migrate"):
        require_version(SCHEMA_VERSION - 1)


def test_a_schema_that_holds_something_else_is_refused(empty: Session) -> None:
    """Somebody's tables are not ours to mix with; an empty schema made by the owner is fine."""
    empty.execute("create schema awa; create table awa.theirs (n int)")
    with pytest.raises(ConfigurationError, match="something else"):
        run_sync(empty, migrate())
    empty.execute("drop table awa.theirs")
    run_sync(empty, migrate())
    assert SCHEMA_VERSION == run_sync(empty, Storage().schema_version())


def test_migrating_under_an_older_snapshot_is_refused(empty: Session) -> None:
    """It would not see what another migrator committed while it waited."""
    empty.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(WrongIsolation), empty.transaction():
        run_sync(empty, migrate())


async def test_a_schema_may_have_any_name(empty_database: str) -> None:
    """Quotes, spaces, percent and dollar signs; two installations share one database."""
    storage = Storage(ODD)
    async with open_connection(empty_database) as conn:
        await run_trio(conn, migrate())
        await run_trio(conn, migrate(ODD))
        await run_trio(conn, install_roles(ODD))
        assert SCHEMA_VERSION == await run_trio(conn, storage.schema_version())
        lane = await run_trio(conn, storage.ensure_lane("q"))
        assert lane == await run_trio(conn, storage.ensure_lane("q"))
        assert () == await run_trio(conn, storage.check())


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "ü" * 32, "pg_awa", "public"])
def test_a_name_that_no_schema_can_have_is_refused(name: str) -> None:
    """PostgreSQL would cut a long one silently, and two would become one."""
    with pytest.raises(ConfigurationError):
        Storage(name)
    with pytest.raises(ConfigurationError):
        migration_sql(name)


def test_what_sql_prints_is_run_by_psql(empty_database: str) -> None:
    """An administrator reviews it and runs it, whatever the session's settings are."""
    psql = shutil.which("psql")
    script = "set standard_conforming_strings = off;\n" + migration_sql(ODD)
    if psql is None:
        # The embedded server comes without psql: the simple protocol is what psql would speak.
        with open_session(empty_database) as session:
            session.execute(script.encode())
    else:
        subprocess.run(
            [psql, "-X", "-v", "ON_ERROR_STOP=1", "-q", empty_database],
            input=script,
            text=True,
            check=True,
        )
    with open_session(empty_database) as session:
        assert SCHEMA_VERSION == run_sync(session, Storage(ODD).schema_version())


def test_migrate_sync_opens_its_own_connection(empty_database: str) -> None:
    """For programs without an event loop."""
    migrate_sync(empty_database)
    with open_session(empty_database) as session:
        assert SCHEMA_VERSION == run_sync(session, Storage().schema_version())


NAMES = RoleNames(
    producer='odd "producer"', worker="it's a worker", operator="OPERATOR", reader="reader %s"
)


@pytest.fixture
def no_roles(cluster: Cluster) -> Iterator[None]:
    """Roles are the cluster's: none of this test's may stay."""
    yield
    with open_session(cluster.conninfo()) as session:
        for name in (NAMES.producer, NAMES.worker, NAMES.operator, NAMES.reader):
            session.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


def drop_grants(session: Session) -> None:
    """Take the roles' grants away with the schema, so that they can be dropped."""
    session.execute("drop schema awa cascade")


def test_roles_may_have_any_name_and_only_do_their_part(no_roles: None, empty: Session) -> None:
    """A producer enqueues, and neither claims nor reads a table of the protocol."""
    run_sync(empty, migrate())
    run_sync(empty, install_roles(names=NAMES))
    run_sync(empty, install_roles(names=NAMES))
    allowed = "select has_function_privilege(%s, %s::regprocedure, 'execute')"
    enqueue = "awa.enqueue(text, jsonb, jsonb)"
    claim = "awa.claim(bigint, bigint, bigint, text[], int[], int)"
    for role, function, expected in (
        (NAMES.producer, enqueue, True),
        (NAMES.producer, claim, False),
        (NAMES.worker, claim, True),
        (NAMES.reader, enqueue, False),
    ):
        assert [(expected,)] == empty.execute(allowed, [role, function]).fetchall()
    tables = "select has_table_privilege(%s, 'awa.ready', 'select')"
    assert [(False,)] == empty.execute(tables, [NAMES.worker]).fetchall()
    drop_grants(empty)


@pytest.fixture
def plain(empty: Session) -> Iterator[Session]:
    """A session that acts as a user who may create a schema in this database, and no more."""
    database = sql.Identifier(empty.info.dbname)
    name = sql.Identifier(f"plain user of {empty.info.dbname}")
    empty.execute(sql.SQL("create role {}").format(name))
    empty.execute(sql.SQL("grant create on database {} to {}").format(database, name))
    empty.execute(sql.SQL("set role {}").format(name))
    yield empty
    empty.execute("reset role")
    empty.execute(sql.SQL("drop owned by {} cascade").format(name))
    empty.execute(sql.SQL("drop role {}").format(name))


def test_no_superuser_is_needed(plain: Session) -> None:
    """Who may create a schema installs Awa, owns it, and sees a job through every action."""
    assert [("off",)] == plain.execute("show is_superuser").fetchall()
    run_sync(plain, migrate())
    owners = (
        "select distinct pg_get_userbyid(proowner) = current_user from pg_proc"
        " where pronamespace = 'awa'::regnamespace"
    )
    assert [(True,)] == plain.execute(owners).fetchall()
    fill(plain)
    plain.execute("select * from awa.heartbeat(%s, 12, 9, '{}')", [WORKER])
    assert [("stopped",)] == plain.execute("select awa.worker_stop(%s)", [WORKER]).fetchall()
    assert () == run_sync(plain, Storage().check())


def test_roles_created_by_several_at_once_are_created(
    no_roles: None, empty: Session, empty_database: str
) -> None:
    """Deployments start many processes; none of them fails over the others."""
    run_sync(empty, migrate())

    def install_once(_: int) -> None:
        with open_session(empty_database) as session:
            run_sync(session, install_roles(names=NAMES))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(install_once, range(16)))
    made = "select count(*) from pg_roles where rolname = any (%s)"
    names = [NAMES.producer, NAMES.worker, NAMES.operator, NAMES.reader]
    assert [(4,)] == empty.execute(made, [names]).fetchall()
    drop_grants(empty)


def test_a_role_that_another_session_is_creating_is_waited_for(
    no_roles: None, empty: Session, empty_database: str, blocked: Callable[[int], None]
) -> None:
    """An administrator's open transaction made it first: no error, once that commits."""
    run_sync(empty, migrate())
    with open_session(empty_database) as theirs, ThreadPoolExecutor(1) as thread:
        with theirs.transaction():
            theirs.execute(sql.SQL("create role {}").format(sql.Identifier(NAMES.worker)))
            late = thread.submit(run_sync, empty, install_roles(names=NAMES))
            blocked(empty.info.backend_pid)
        late.result()
    drop_grants(empty)


@pytest.mark.parametrize("name", ["", "pg_worker", "public", "none", "x" * 64])
def test_a_name_that_no_role_can_have_is_refused(name: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError):
        install.roles_sql(names=RoleNames(worker=name))


def test_every_sql_file_is_installed() -> None:
    """A file that the order forgets would be code that nobody runs."""
    below = {str(path.relative_to(SQL)) for path in SQL.rglob("*.sql")}
    assert below == {*install.installation_order(), "roles.sql"}
