"""How late scheduled jobs start: each has an instant of its own, and a worker waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import trio

import awa
from awa._bench.jobs import TimedJob
from awa._bench.server import fresh_database, open_session
from awa._bench.steady import percentiles, run_s, wait_for_times
from awa._bench.workers import wait_until_up, worker_processes

if TYPE_CHECKING:
    from awa._bench.server import Server

PER_SECOND: Final = 100
"""So few that the leader sleeps between one job and the next."""
_AHEAD_S: Final = 2.0
"""The first is due so long after all were stored."""


def measure_promote(server: Server, jobs: int) -> dict[str, float]:
    """Milliseconds from the time of a scheduled job until its handler runs."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        session.execute("select awa.ensure_lane('default')")
        with worker_processes(conninfo, 1) as workers:
            wait_until_up(session, workers)
            due_s = trio.run(_schedule, conninfo, int(PER_SECOND * run_s(jobs) / 2))
            started = wait_for_times(session, len(due_s))
        late_ms = [(started[n][0] - at_s) * 1e3 for n, at_s in enumerate(due_s)]
    return percentiles("promote.late_ms", late_ms)


async def _schedule(conninfo: str, count: int) -> list[float]:
    """Store so many jobs, each for a time of its own; answer those times."""
    due_s = [n / PER_SECOND for n in range(count)]
    async with awa.AsyncClient(conninfo) as client:
        began_s = time.time()
        await client.insert(TimedJob(count), delay=86_400)  # one insert tells what they all take
        took_s = time.time() - began_s
        first_s = time.time() + _AHEAD_S + count * took_s
        for number, after_s in enumerate(due_s):
            at = datetime.fromtimestamp(first_s + after_s, UTC)
            await client.insert(TimedJob(number), run_at=at)
    return [first_s + after_s for after_s in due_s]
