"""Draining: a backlog, worker processes that do nothing with it, and the database's word on it.

The time ends when the database shows that no job is left, never when a worker says so. A drain may
have company: a transaction of somebody else that stays open all the while.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

import trio

import awa
from awa._bench.counters import Counters, counters, server_cpu_s, wal_bytes
from awa._bench.jobs import bench_jobs
from awa._bench.processes import resident_mb
from awa._bench.producing import insert_all
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import (
    MAX_WORKERS,
    WorkerProcess,
    read_reports,
    wait_for_first,
    worker_processes,
)
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from awa._bench.server import Server

    Session = psycopg.Connection[tuple[Any, ...]]

# The harness looks rarely while there is much left, and often near the end: looking costs too.
_LOOK_MIN_S: Final = 0.002
_LOOK_MAX_S: Final = 0.25
_STALL_TIMEOUT_S: Final = 60.0
# So much of a backlog has to be left at the first look for the looks to tell a rate by themselves.
_LEFT_MIN: Final = 0.25
# Processor time is counted in ticks, and up to a moment after the end of the drain.
_CPU_SLACK: Final = 1.2
_CPU_SLACK_S: Final = 0.25

_COMPLETED: Final = """
    select coalesce(sum(upper(r) - lower(r)), 0)::bigint
    from awa.closures, unnest(seqs) r where outcome = 'completed'"""
_LEFT: Final = """
    select sum(available)::bigint, sum(running)::bigint, sum(completed)::bigint from awa.queues"""


@dataclass(slots=True, kw_only=True)
class _Progress:
    """What the harness did and saw while it waited."""

    looks: int = 0
    """Transactions of the harness itself."""
    first_look_s: float = 0.0
    """When it looked first, by the machine's monotonic clock."""
    first_done: int = 0
    """How many jobs were completed then."""
    early_mb: float | None = None
    """Memory of the first worker when a tenth of the jobs was done."""
    late_mb: float | None = None
    """The same at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What one drain took, from the first handler's start to the last durable completion."""

    took_s: float
    wal_bytes: int
    progress: _Progress
    worker_cpu_s: float | None
    postgres_cpu_s: float | None

    def rates(self, jobs: int) -> dict[str, float]:
        """Jobs a second, and processor time where it is known."""
        found = {"jobs_per_s": jobs / self.took_s}
        if self.worker_cpu_s is not None:
            found["worker_cpu_s_per_1k"] = self.worker_cpu_s * 1000 / jobs
        if self.postgres_cpu_s is not None:
            found["postgres_cpu_s_per_1k"] = self.postgres_cpu_s * 1000 / jobs
        return found


SNAPSHOT: Final = "select pg_current_xact_id(), count(*) from awa.lanes"
"""A transaction that has written, and whose snapshot keeps every dead row."""
PRODUCER: Final = "select awa.enqueue('bench_job', '{}')"
"""A producer in the very lane, that neither commits nor goes away."""


def measure_drain(
    server: Server,
    jobs: int,
    *,
    name: str,
    workers: int = 1,
    max_workers: int = MAX_WORKERS,
    company: LiteralString | None = None,
) -> dict[str, float]:
    """Drain a backlog with so many worker processes. Raises InternalError for a wrong count.

    `company`: what a transaction of somebody else does before the drain; it stays open until the
    drain has ended.
    """
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        filled = wal_bytes(session)
        trio.run(_fill, conninfo, jobs)
        filled = wal_bytes(session) - filled
        session.execute("vacuum analyze")
        session.execute("checkpoint")
        before = counters(session)
        with (
            _company(conninfo, company),
            worker_processes(conninfo, workers, max_workers=max_workers) as processes,
        ):
            drained = drain(session, jobs, processes, before)
        after = counters(session)
        runs = sum(process.runs for process in processes)
        require_all_done(session, jobs, runs=runs, rolled_back=company is PRODUCER)
    figures = _figures(jobs, drained, before, after)
    named = {f"{name}.{key}": value for key, value in figures.items()}
    if name == "drain":
        return named | _own(jobs, filled, drained)
    return named | _memory(drained) if name == "backlog" else named


def _own(jobs: int, filled: int, drained: Drained) -> dict[str, float]:
    """What only the plain drain gives: a job's whole life, and its cost to the worker."""
    found = {"total.wal_bytes_per_job": (filled + drained.wal_bytes) / jobs}
    if drained.worker_cpu_s is not None:
        found["overhead.us_per_job"] = drained.worker_cpu_s * 1e6 / jobs
    return found


def _memory(drained: Drained) -> dict[str, float]:
    early, late = drained.progress.early_mb, drained.progress.late_mb
    if early is None or late is None:
        return {}
    return {
        "memory.early_rss_mb": early,
        "memory.late_rss_mb": late,
        "memory.late_to_early": late / early,
    }


@contextmanager
def _company(conninfo: str, does: LiteralString | None) -> Iterator[None]:
    """Keep a transaction open within the block that did this; rolled back at the end."""
    if does is None:
        yield
        return
    with open_session(conninfo) as session:
        session.execute("begin isolation level repeatable read")
        session.execute(does)
        yield
        session.execute("rollback")


async def _fill(conninfo: str, jobs: int) -> None:
    async with awa.AsyncClient(conninfo) as client:
        await insert_all(client, bench_jobs(jobs))


def drain(
    session: Session, jobs: int, workers: Sequence[WorkerProcess], before: Counters
) -> Drained:
    """Wait until the workers have completed so many jobs. Raises InternalError when they stall."""
    cpu_before = server_cpu_s(session)
    wait_for_first(workers)
    progress = _wait_until_done(session, jobs, workers)
    done_s = time.monotonic()
    cpu_after = server_cpu_s(session)
    worker_cpu_s = _worker_cpu_s(workers)
    took_s = time_of(
        jobs,
        first_s=wait_for_first(workers),
        look_s=progress.first_look_s,
        done_then=progress.first_done,
        done_s=done_s,
    )
    require_possible(took_s, worker_cpu_s, workers=len(workers))
    return Drained(
        took_s=took_s,
        wal_bytes=wal_bytes(session) - before.wal_bytes,
        progress=progress,
        worker_cpu_s=worker_cpu_s,
        postgres_cpu_s=None if cpu_before is None or cpu_after is None else cpu_after - cpu_before,
    )


def _worker_cpu_s(workers: Sequence[WorkerProcess]) -> float | None:
    """Processor seconds of all that ran a job, since their first ones; None without /proc."""
    # Only one was waited for. Each job is done by now, so all that ran one have said so.
    read_reports(workers, timeout_s=0)
    shares = [worker.cpu_since_first_s() for worker in workers if worker.first_s]
    known = [share for share in shares if share is not None]
    return sum(known) if known else None


def time_of(jobs: int, *, first_s: float, look_s: float, done_then: int, done_s: float) -> float:
    """How long the drain took, from the first handler's start.

    That start is the workers' word. It is not taken for later than what the harness has seen by
    itself allows: what was left at its first look took from then on so long as it did, and the jobs
    before took no less each.
    """
    took_s = done_s - first_s
    left = jobs - done_then
    if left < jobs * _LEFT_MIN:
        return took_s
    return max(took_s, (done_s - look_s) * jobs / left)


def require_possible(took_s: float, worker_cpu_s: float | None, *, workers: int) -> None:
    """A worker is one thread: raise InternalError where it worked for longer than there was time.

    Then a clock or a count is wrong, and so is every rate by it.
    """
    if worker_cpu_s is not None and worker_cpu_s > took_s * workers * _CPU_SLACK + _CPU_SLACK_S:
        raise InternalError(
            f"{workers} workers used {worker_cpu_s:.3f} s of processors in {took_s:.3f} s: a clock"
            " of this machine is wrong"
        )


def _wait_until_done(session: Session, jobs: int, workers: Sequence[WorkerProcess]) -> _Progress:
    """Look until every job is completed in the database."""
    seen = _Progress()
    began_s = last_s = time.monotonic()
    done = 0
    while done < jobs:
        before = done
        asked_s = time.monotonic()
        done = _completed(session)
        if not seen.looks:
            seen.first_look_s, seen.first_done = asked_s, done
        seen.looks += 1
        now_s = time.monotonic()
        if done > before:
            last_s = now_s
        elif now_s > last_s + _STALL_TIMEOUT_S:
            raise InternalError(f"{jobs - done} jobs are left and none ends:\n{workers[0].said()}")
        for worker in workers:
            worker.require_running()
        if seen.early_mb is None and done >= jobs / 10:
            seen.early_mb = resident_mb(workers[0].process.pid)
        # Half of the time that the rest will take at the speed so far.
        rest_s = (now_s - began_s) * (jobs - done) / max(done, 1)
        time.sleep(min(max(rest_s / 2, _LOOK_MIN_S), _LOOK_MAX_S))
    seen.late_mb = resident_mb(workers[0].process.pid)
    return seen


def _completed(session: Session) -> int:
    row = session.execute(_COMPLETED).fetchone()
    assert row is not None
    return int(row[0])


def _figures(jobs: int, drained: Drained, before: Counters, after: Counters) -> dict[str, float]:
    return drained.rates(jobs) | {
        "wal_bytes_per_job": drained.wal_bytes / jobs,
        "commits_per_job": (after.commits - before.commits - drained.progress.looks) / jobs,
        "updated_deleted_rows": float(after.changed_rows - before.changed_rows),
        "updated_deleted_rows_per_job": (after.changed_rows - before.changed_rows) / jobs,
    }


def require_all_done(session: Session, jobs: int, *, runs: int, rolled_back: bool = False) -> None:
    """Nothing pending, nothing open, nothing lost, nothing run twice, every property kept.

    `rolled_back`: somebody drew a number and rolled back; it counts as available until a claim
    passes it. Raises InternalError otherwise.
    """
    if session.execute(_LEFT).fetchone() != (int(rolled_back), 0, jobs):
        raise InternalError(f"not every one of {jobs} jobs is completed exactly once")
    broken = session.execute('select property, detail from awa."check"() limit 10').fetchall()
    if broken:
        raise InternalError(f"awa.check() finds {broken}")
    if runs != jobs:
        raise InternalError(f"{jobs} jobs took {runs} handler runs")
