"""A database per test, cloned from a template that is migrated once.

    database   its connection string (superuser), with the schema `awa`
    session    session() opens one more plain, synchronous, autocommit session of psycopg
    one, other two such sessions, already open
    start      start(session, sql, params) runs a statement in a thread: a Statement to wait for
    blocked    blocked(pid) returns once pg_locks shows that backend waiting
    empty_database  a connection string of a database without the schema

A plugin that records what tests do registers in `on_database_created` (called before any session
of the test opens) and `on_database_finished` (called when all of them are closed).
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from tests.facts import WAIT_S_MAX, wait_until
from tests.fix_cluster import lent_templates

Session = psycopg.Connection[tuple[Any, ...]]
NewSession = Callable[..., Session]
DatabaseHook = Callable[[str, pytest.FixtureRequest], None]

on_database_created: Final[list[DatabaseHook]] = []
on_database_finished: Final[list[DatabaseHook]] = []

SCHEMA: Final = "awa"
_numbers: Final = count(1)


def open_session(conninfo: str, **options: Any) -> Session:
    """Open a plain session: synchronous, autocommit unless told otherwise."""
    return psycopg.connect(conninfo, **{"autocommit": True, **options})


def crash(session: Session, conninfo: str) -> None:
    """Kill this session's backend as the kernel does: the server ends all others and recovers.

    Returns when the server has seen it: until then it takes new sessions, and ends them as well.
    """
    with open_session(conninfo) as witness:
        os.kill(session.info.backend_pid, signal.SIGKILL)
        wait_until(lambda: _has_ended(witness))


def _has_ended(session: Session) -> bool:
    try:
        session.execute("select 1")
    except psycopg.OperationalError:
        return True
    return False


def reconnected(session: NewSession, conninfo: str) -> Session:
    """Return a session once the server takes some again."""
    found: list[Session] = []

    def connects() -> bool:
        try:
            found.append(session(conninfo))
        except psycopg.OperationalError:
            return False
        return True

    wait_until(connects)
    return found[0]


class Statement:
    """A statement that runs in a thread of its own, to be waited for."""

    def __init__(self, session: Session, statement: LiteralString, params: object) -> None:
        self.pid: Final = session.info.backend_pid
        self._rows: list[tuple[Any, ...]] = []
        self._error: BaseException | None = None
        self._thread: Final = threading.Thread(
            target=self._run, args=(session, statement, params), daemon=True
        )
        self._thread.start()

    def _run(self, session: Session, statement: LiteralString, params: Any) -> None:
        try:
            cursor = session.execute(statement, params)
            self._rows = cursor.fetchall() if cursor.description else []
        except BaseException as error:  # noqa: BLE001  # raised again by `rows`, in the test
            self._error = error

    def is_running(self) -> bool:
        """Whether the statement has not ended yet."""
        return self._thread.is_alive()

    def rows(self) -> list[tuple[Any, ...]]:
        """Wait for the end and return the rows, or raise what the statement raised."""
        self._thread.join(WAIT_S_MAX)
        assert not self._thread.is_alive(), "the statement does not end"
        if self._error is not None:
            raise self._error
        return self._rows


@pytest.fixture(scope="session")
def watcher(cluster: Cluster) -> Iterator[Session]:
    """Return a session that looks at the others, from a database nobody clones."""
    with open_session(cluster.conninfo()) as session:
        yield session


@pytest.fixture
def blocked(watcher: Session) -> Callable[[int], None]:
    """Return `blocked(pid)`, which waits for a fact: that backend waits for a lock."""

    def wait_until_blocked(pid: int) -> None:
        looked = "select exists (select from pg_locks where pid = %s and not granted)"
        wait_until(
            lambda: watcher.execute(looked, [pid]).fetchone() == (True,),
            what=f"waiting of backend {pid} for a lock",
        )

    return wait_until_blocked


@pytest.fixture
def start() -> Callable[..., Statement]:
    """Return `start(session, sql, params)`, which runs a statement in a thread."""

    def run(session: Session, statement: LiteralString, params: object = ()) -> Statement:
        return Statement(session, statement, params)

    return run


@pytest.fixture(scope="session")
def template(cluster: Cluster, watcher: Session) -> Iterator[str]:
    """Return the name of a migrated database that the tests' databases are cloned from."""
    if "plain" in lent_templates:
        yield lent_templates["plain"]
        return
    name = fresh_name("template")
    create(watcher, name, None)
    migrate_sync(cluster.conninfo(name), schema=SCHEMA)
    yield name
    drop(watcher, name)


@pytest.fixture
def database(
    cluster: Cluster, watcher: Session, template: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Return the connection string of this test's own database."""
    yield from _own_database(cluster, watcher, template, request)


@pytest.fixture
def empty_database(cluster: Cluster, watcher: Session) -> Iterator[str]:
    """Return the connection string of a database without the schema; nothing is recorded."""
    name = fresh_name("test")
    create(watcher, name, None)
    yield cluster.conninfo(name)
    drop(watcher, name)


@pytest.fixture
def session(database: str) -> Iterator[NewSession]:
    """Return `session()`, which opens sessions of the test's database, closed at its end."""
    with ExitStack() as stack:

        def make(conninfo: str = database, **options: Any) -> Session:
            opened = open_session(conninfo, **options)
            stack.callback(opened.close)
            return opened

        yield make


@pytest.fixture
def one(session: NewSession) -> Session:
    """Return a session."""
    return session()


@pytest.fixture
def other(session: NewSession) -> Session:
    """Return a second session."""
    return session()


def with_user(conninfo: str, user: str, password: str) -> str:
    """Return the connection string with another role's credentials."""
    return make_conninfo(conninfo, user=user, password=password)


def _own_database(
    cluster: Cluster, watcher: Session, template: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Clone the template, tell the hooks, and drop the clone at the end."""
    name = fresh_name("test")
    create(watcher, name, template)
    conninfo = cluster.conninfo(name)
    try:
        for hook in on_database_created:
            hook(conninfo, request)
        yield conninfo
        for hook in on_database_finished:
            hook(conninfo, request)
    finally:
        drop(watcher, name)


def fresh_name(kind: str) -> str:
    """Return a name that no database of this run has, nor of another run on the same cluster."""
    return f"{kind}_{os.getpid()}_{next(_numbers)}"


def create(watcher: Session, name: str, template: str | None) -> None:
    """Create a database. PostgreSQL itself waits for a backend that is leaving the template."""
    statement = sql.SQL("create database {} template {} strategy file_copy").format(
        sql.Identifier(name), sql.Identifier(template or "template0")
    )
    watcher.execute(statement)


def drop(watcher: Session, name: str) -> None:
    """Drop a database, whoever is still in it, and the slots that decode it."""
    slots = "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
    watcher.execute(
        "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots"
        " where database = %s and active_pid is not null",
        [name],
    )
    watcher.execute(slots + " where database = %s", [name])
    watcher.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
