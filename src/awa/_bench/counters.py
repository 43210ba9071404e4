"""What the server counts: WAL, commits, changed rows, and its processor time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from awa._bench.processes import family_cpu_s, process_times

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[Any, ...]]

_LOOK_INTERVAL_S: Final = 0.02
_LEAVE_TIMEOUT_S: Final = 30.0

_COUNTED: Final = """
    select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
           (select xact_commit from pg_stat_database where datname = current_database()),
           (select coalesce(sum(n_tup_upd + n_tup_del), 0)::bigint from pg_stat_user_tables)"""
_OTHERS: Final = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The server's counts at one moment; differences are what is of interest."""

    wal_bytes: int
    commits: int
    changed_rows: int


def counters(session: Session) -> Counters:
    """Read the counts of the session's database when nobody else is connected to it.

    A session reports what it did at the latest when it ends, so the others' end is waited for.
    """
    _wait_until_alone(session)
    session.execute("select pg_stat_force_next_flush()")
    session.execute("select pg_stat_clear_snapshot()")
    row = session.execute(_COUNTED).fetchone()
    assert row is not None
    return Counters(wal_bytes=row[0], commits=row[1], changed_rows=row[2])


def wal_bytes(session: Session) -> int:
    """How much WAL the server has written since it was made."""
    row = session.execute("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def server_cpu_s(session: Session) -> float | None:
    """Processor seconds of all processes of the server; None when it is on another machine."""
    backend = process_times(session.info.backend_pid)
    return None if backend is None else family_cpu_s(backend.parent)


def _wait_until_alone(session: Session) -> None:
    deadline = time.monotonic() + _LEAVE_TIMEOUT_S
    while session.execute(_OTHERS).fetchone() != (0,):
        if time.monotonic() > deadline:
            raise TimeoutError("other sessions do not leave the database of the measurement")
        time.sleep(_LOOK_INTERVAL_S)
