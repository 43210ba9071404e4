"""What one worker holds: few permits kept busy by jobs claimed ahead, many handlers that wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import trio

import awa
from awa._bench.draining import measure_drain
from awa._bench.jobs import SleepingJob
from awa._bench.processes import resident_mb
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import START_TIMEOUT_S, one_worker, wait_until_up
from awa.errors import InternalError

if TYPE_CHECKING:
    import psycopg

    from awa._bench.server import Server
    from awa._bench.workers import WorkerProcess

    Session = psycopg.Connection[tuple[Any, ...]]

FEW: Final = 10
"""Permits of a worker that a user did not think about."""
SLEEPERS: Final = 1_000
_LOOK_INTERVAL_S: Final = 0.1
_RUNNING: Final = "select coalesce(sum(running), 0)::int from awa.queues"


def measure_prefetch(server: Server, jobs: int) -> dict[str, float]:
    """The drain by a worker with ten permits: what it does not claim ahead it waits for."""
    found = measure_drain(server, jobs, name="prefetch", max_workers=FEW)
    return {"prefetch.jobs_per_s": found["prefetch.jobs_per_s"]}


def measure_sleepers(server: Server, _jobs: int) -> dict[str, float]:
    """The memory of a worker in which a thousand handlers wait."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        # Killed at the end: nobody waits for handlers that only wait.
        with one_worker(conninfo) as worker:
            wait_until_up(session, [worker])
            trio.run(_enqueue, conninfo)
            _wait_until_all_run(session, worker)
            held_mb = resident_mb(worker.process.pid)
        return {} if held_mb is None else {"sleepers.rss_mb": held_mb}


async def _enqueue(conninfo: str) -> None:
    async with awa.AsyncClient(conninfo) as client:
        await client.insert_many([SleepingJob(number) for number in range(SLEEPERS)])


def _wait_until_all_run(session: Session, worker: WorkerProcess) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while session.execute(_RUNNING).fetchone() != (SLEEPERS,):
        worker.require_running()
        if time.monotonic() > deadline_s:
            raise InternalError(f"the worker does not run {SLEEPERS} jobs:\n{worker.said()}")
        time.sleep(_LOOK_INTERVAL_S)
