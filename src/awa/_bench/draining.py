"""Draining: a backlog, worker processes that do nothing with it, and the database's word on it.

The time ends when the database shows that no job is left, never when a worker says so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

import awa
from awa._bench.counters import Counters, counters, server_cpu_s, wal_bytes
from awa._bench.jobs import bench_jobs
from awa._bench.producing import insert_all
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import WorkerProcess, wait_for_first, worker_processes
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from awa._bench.server import Server

    Session = psycopg.Connection[tuple[Any, ...]]

# The harness looks rarely while there is much left, and often near the end: looking costs too.
_LOOK_MIN_S: Final = 0.002
_LOOK_MAX_S: Final = 0.25
_STALL_TIMEOUT_S: Final = 60.0

_COMPLETED: Final = """
    select coalesce(sum(upper(r) - lower(r)), 0)::bigint
    from awa.closures, unnest(seqs) r where outcome = 'completed'"""
_LEFT: Final = """
    select sum(available)::bigint, sum(running)::bigint, sum(completed)::bigint from awa.queues"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drained:
    """What one drain took, from the first handler's start to the last durable completion."""

    took_s: float
    wal_bytes: int
    looks: int
    """Transactions of the harness itself."""
    worker_cpu_s: float | None
    postgres_cpu_s: float | None


def measure_drain(server: Server, jobs: int, *, workers: int) -> dict[str, float]:
    """Drain a backlog with so many worker processes. Raises InternalError for a wrong count."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        filled = wal_bytes(session)
        trio.run(_fill, conninfo, jobs)
        filled = wal_bytes(session) - filled
        session.execute("vacuum analyze")
        session.execute("checkpoint")
        before = counters(session)
        with worker_processes(conninfo, workers) as processes:
            drained = _drain(session, jobs, processes, before)
        after = counters(session)
        require_all_done(session, jobs, runs=sum(process.runs for process in processes))
    name = "drain" if workers == 1 else f"drain{workers}"
    figures = _figures(jobs, drained, before, after)
    total = {"total.wal_bytes_per_job": (filled + drained.wal_bytes) / jobs}
    return {f"{name}.{key}": value for key, value in figures.items()} | (
        total if workers == 1 else {}
    )


async def _fill(conninfo: str, jobs: int) -> None:
    async with awa.AsyncClient(conninfo) as client:
        await insert_all(client, bench_jobs(jobs))


def _drain(
    session: Session, jobs: int, workers: Sequence[WorkerProcess], before: Counters
) -> _Drained:
    cpu_before = server_cpu_s(session)
    first_s = wait_for_first(workers)
    looks = _wait_until_done(session, jobs, workers)
    done_s = time.monotonic()
    cpu_after = server_cpu_s(session)
    shares = [worker.cpu_since_first_s() for worker in workers if worker.first_s]
    known = [share for share in shares if share is not None]
    return _Drained(
        took_s=done_s - first_s,
        wal_bytes=wal_bytes(session) - before.wal_bytes,
        looks=looks,
        worker_cpu_s=sum(known) if known else None,
        postgres_cpu_s=None if cpu_before is None or cpu_after is None else cpu_after - cpu_before,
    )


def _wait_until_done(session: Session, jobs: int, workers: Sequence[WorkerProcess]) -> int:
    """Look until every job is completed in the database; answer how often we looked."""
    began_s = last_s = time.monotonic()
    done = looks = 0
    while done < jobs:
        before = done
        done = _completed(session)
        looks += 1
        now_s = time.monotonic()
        if done > before:
            last_s = now_s
        elif now_s > last_s + _STALL_TIMEOUT_S:
            raise InternalError(f"{jobs - done} jobs are left and none ends:\n{workers[0].said()}")
        for worker in workers:
            worker.require_running()
        # Half of the time that the rest will take at the speed so far.
        rest_s = (now_s - began_s) * (jobs - done) / max(done, 1)
        time.sleep(min(max(rest_s / 2, _LOOK_MIN_S), _LOOK_MAX_S))
    return looks


def _completed(session: Session) -> int:
    row = session.execute(_COMPLETED).fetchone()
    assert row is not None
    return int(row[0])


def _figures(jobs: int, drained: _Drained, before: Counters, after: Counters) -> dict[str, float]:
    found = {
        "jobs_per_s": jobs / drained.took_s,
        "wal_bytes_per_job": drained.wal_bytes / jobs,
        "commits_per_job": (after.commits - before.commits - drained.looks) / jobs,
        "updated_deleted_rows": float(after.changed_rows - before.changed_rows),
    }
    if drained.worker_cpu_s is not None:
        found["worker_cpu_s_per_1k"] = drained.worker_cpu_s * 1000 / jobs
    if drained.postgres_cpu_s is not None:
        found["postgres_cpu_s_per_1k"] = drained.postgres_cpu_s * 1000 / jobs
    return found


def require_all_done(session: Session, jobs: int, *, runs: int) -> None:
    """Nothing pending, nothing open, nothing lost, nothing run twice, every property kept.

    Raises InternalError otherwise.
    """
    if session.execute(_LEFT).fetchone() != (0, 0, jobs):
        raise InternalError(f"not every one of {jobs} jobs is completed exactly once")
    broken = session.execute('select property, detail from awa."check"() limit 10').fetchall()
    if broken:
        raise InternalError(f"awa.check() finds {broken}")
    if runs != jobs:
        raise InternalError(f"{jobs} jobs took {runs} handler runs")
