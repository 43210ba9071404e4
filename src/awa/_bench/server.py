"""The server of a benchmark: a throw-away one of known settings, or the one of a given URL."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from awa.errors import ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Durable, and the same for every system in docs/benchmarks.md.
SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "max_connections": "200",
}
_SHOWN: Final = (*SETTINGS, "full_page_writes", "data_checksums", "autovacuum", "jit")
_numbers: Final = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where databases for measurements are made."""

    conninfo: str
    """Of a user that may create databases."""
    what: str
    """In the report: which server this was."""
    restart: Callable[[], None] | None = None
    """Stops the server and starts it again; None for a server that is not ours."""


@contextmanager
def bench_server(url: str | None, *, bindir: Path | None) -> Iterator[Server]:
    """Give the server of that URL; without one, start a cluster that is thrown away at the end.

    Raises EmbeddedMissing, ServerFailed, ServerUnreachable.
    """
    if url is not None:
        yield Server(conninfo=url, what="the given server")
        return
    with Cluster(bindir=bindir, settings=SETTINGS, tcp=True, durable=True) as cluster:
        yield Server(
            conninfo=cluster.conninfo(tcp=True),
            what="a throw-away cluster on 127.0.0.1, by TCP",
            restart=cluster.restart,
        )


@contextmanager
def fresh_database(server: Server) -> Iterator[str]:
    """Give the connection string of a new database with Awa's schema, dropped at the end."""
    with open_session(server.conninfo) as admin:
        name = f"awa_bench_{admin.info.backend_pid}_{next(_numbers)}"
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        conninfo = make_conninfo(server.conninfo, dbname=name)
        migrate_sync(conninfo)
        yield conninfo
    finally:
        # A session of its own: the server may have been started anew meanwhile.
        with open_session(server.conninfo) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def open_session(conninfo: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Give a plain session that commits by itself. Raises ServerUnreachable."""
    try:
        session = psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise ServerUnreachable(str(error)) from error
    with session:
        yield session


def settings_of(server: Server) -> dict[str, str]:
    """The settings that decide figures like ours, as the server says them."""
    with open_session(server.conninfo) as session:
        rows = session.execute(
            "select name, current_setting(name) from pg_settings where name = any(%s)",
            [list(_SHOWN)],
        ).fetchall()
    return dict(sorted(rows))


def server_version(server: Server) -> str:
    """As PostgreSQL says it: "18.6"."""
    with open_session(server.conninfo) as session:
        row = session.execute("show server_version").fetchone()
    assert row is not None
    return str(row[0])
