"""A drain by a handler that takes many jobs at once; otherwise like the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

import awa
from awa._bench.counters import counters
from awa._bench.draining import drain, require_all_done
from awa._bench.jobs import TEXT, BatchJob
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import worker_processes

if TYPE_CHECKING:
    from awa._bench.server import Server


def measure_batch(server: Server, jobs: int) -> dict[str, float]:
    """Drain such a backlog with one worker. Raises InternalError for a wrong count."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        trio.run(_fill, conninfo, jobs)
        session.execute("vacuum analyze")
        session.execute("checkpoint")
        before = counters(session)
        with worker_processes(conninfo, 1) as workers:
            drained = drain(session, jobs, workers, before)
        require_all_done(session, jobs, runs=workers[0].runs)
    return {f"batch.{name}": value for name, value in drained.rates(jobs).items()}


async def _fill(conninfo: str, jobs: int) -> None:
    async with awa.AsyncClient(conninfo) as client:
        await client.enqueue_many_copy(BatchJob(n, TEXT) for n in range(jobs))
