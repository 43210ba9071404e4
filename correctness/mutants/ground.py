"""The server of a hunt: an installation to make each mutant from, with gates and without."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.edits import edited, installed_files, installing
from correctness.mutants.mutant import Mutant
from tests import fix_cluster
from tests.fix_database import SCHEMA, create, drop, fresh_name, open_session
from tests.schedules.gating import change, install_gated


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server with an installation to make each mutant from, with gates and without."""

    cluster: Cluster
    plain: str
    gated: str


@contextmanager
def ground() -> Iterator[Ground]:
    """Start the server and install."""
    with fix_cluster.shared_cluster() as cluster:
        made = Ground(cluster=cluster, plain=fresh_name("plain"), gated=fresh_name("gated"))
        with open_session(cluster.conninfo()) as session:
            for name in (made.plain, made.gated):
                create(session, name, None)
        migrate_sync(cluster.conninfo(made.plain), schema=SCHEMA)
        install_gated(cluster.conninfo(made.gated))
        yield made


def installed(mutant: Mutant, where: Ground, *, gates: bool) -> str:
    """Make a database with the mutant in it, and answer its name. Raise AnchorMissing."""
    name = fresh_name("mutant")
    conninfo = where.cluster.conninfo(name)
    with open_session(where.cluster.conninfo()) as session:
        create(session, name, where.gated if gates else where.plain)
        try:
            change(conninfo, mutant.edits, gates=gates)
        except ValueError:  # more than functions is changed
            drop(session, name)
            create(session, name, None)
            with installing(edited(installed_files(), mutant.edits)):
                if gates:
                    install_gated(conninfo)
                else:
                    migrate_sync(conninfo, schema=SCHEMA)
    return name


@contextmanager
def copied(where: Ground, template: str) -> Iterator[str]:
    """Yield the connection string of a copy of a database, to be played with."""
    name = fresh_name("copy")
    with open_session(where.cluster.conninfo()) as session:
        create(session, name, template)
        yield where.cluster.conninfo(name)
        drop(session, name)


def clear(where: Ground, pid: int) -> None:
    """Drop what a process has left behind: its number is in the names of its databases."""
    with open_session(where.cluster.conninfo()) as session:
        rows = session.execute(
            "select datname from pg_database where datname ~ %s", [rf"^[a-z]+_{pid}_\d+$"]
        ).fetchall()
        for (name,) in rows:
            with contextlib.suppress(Exception):
                drop(session, name)
