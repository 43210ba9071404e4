"""Faults of a real server, for as long as a test wants them.

own_cluster    a server of the module's own, to reconfigure, stop and start
own_database   own_database(...) is the connection string of a new database there, with the schema
limited        a role of the test's own that may do what a worker may: .conninfo, .alter(...)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, LiteralString

import pytest
from psycopg import sql

from awa._storage.executors import run_sync
from awa._storage.install import RoleNames, install_roles, migrate_sync
from awa.embedded import Cluster
from tests.fix_cluster import SETTINGS, chosen_bindir, roomy_memory
from tests.fix_database import Session, open_session, with_user

ROLES: Final = ("producer", "worker", "operator", "reader")
_numbers: Final = count(1)


@dataclass(frozen=True, slots=True)
class Limited:
    """A login role; `conninfo` is its connection string."""

    _session: Session
    _role: sql.Identifier
    conninfo: str

    def alter(self, how: LiteralString) -> None:
        """Alter it: `connection limit 4`, `set lock_timeout = '1ms'`."""
        self._session.execute(sql.SQL("alter role {} " + how).format(self._role))


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """Return a running server with a migrated database named `model`."""
    with Cluster(bindir=chosen_bindir(), settings=SETTINGS, below=roomy_memory()) as running:
        with open_session(running.conninfo()) as session:
            session.execute("create database model strategy file_copy")
        migrate_sync(running.conninfo("model"))
        yield running


@pytest.fixture
def own_database(own_cluster: Cluster) -> str:
    """Return the connection string of a database of this test's own, on the module's server."""
    name = f"own_{next(_numbers)}"
    statement = sql.SQL("create database {} template model strategy file_copy")
    with open_session(own_cluster.conninfo()) as session:
        session.execute(statement.format(sql.Identifier(name)))
    return own_cluster.conninfo(name)


@pytest.fixture
def limited(database: str, one: Session) -> Iterator[Limited]:
    """Return a role that may do what a worker may, to set limits to."""
    suffix = one.info.dbname
    names = RoleNames(**{role: f"{role} of {suffix}" for role in ROLES})
    login = sql.Identifier(f"limited of {suffix}")
    run_sync(one, install_roles("awa", names))
    one.execute(
        sql.SQL("create role {} login password 'secret' in role {}").format(
            login, sql.Identifier(names.worker)
        )
    )
    yield Limited(one, login, with_user(database, f"limited of {suffix}", "secret"))
    end_sessions(one)
    for role in (login, *(sql.Identifier(getattr(names, each)) for each in ROLES)):
        one.execute(sql.SQL("drop owned by {}").format(role))
        one.execute(sql.SQL("drop role {}").format(role))


def end_sessions(session: Session, name: str = "awa worker%") -> int:
    """Terminate the sessions of this application in the database; return how many there were."""
    ended = session.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name like %s and datname = current_database()",
        [name],
    )
    return len(ended.fetchall())
