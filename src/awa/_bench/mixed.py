"""A drain as life has it: some jobs fail first, some are snoozed, some are unique.

It is a drain that takes more attempts than jobs: the leader promotes what comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

import awa
from awa._bench.counters import counters
from awa._bench.draining import drain
from awa._bench.jobs import MixedJob
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import worker_processes
from awa.errors import InternalError

if TYPE_CHECKING:
    import psycopg

    from awa._bench.server import Server

    Session = psycopg.Connection[tuple[Any, ...]]

# Of each 25 jobs one fails first and one is snoozed; of each five one is unique.
_EACH: Final = 25
_FAILS, _SNOOZES = 7, 17
_UNIQUE_EACH: Final = 5


def mixed_jobs(count: int) -> tuple[list[MixedJob], list[MixedJob]]:
    """So many jobs, plain ones and unique ones."""
    words = {_FAILS: "fail", _SNOOZES: "snooze"}
    jobs = [MixedJob(n, words.get(n % _EACH, "go on")) for n in range(count)]
    plain = [job for job in jobs if job.n % _UNIQUE_EACH != 0]
    return plain, [job for job in jobs if job.n % _UNIQUE_EACH == 0]


def measure_mixed(server: Server, jobs: int) -> dict[str, float]:
    """Drain such a backlog with one worker. Raises InternalError when the outcome is wrong."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        trio.run(_fill, conninfo, jobs)
        session.execute("vacuum analyze")
        session.execute("checkpoint")
        before = counters(session)
        with worker_processes(conninfo, 1) as workers:
            drained = drain(session, jobs, workers, before)
        _require_right(session, jobs, workers[0].runs)
    return {f"mixed.{name}": value for name, value in drained.rates(jobs).items()}


async def _fill(conninfo: str, jobs: int) -> None:
    plain, unique = mixed_jobs(jobs)
    async with awa.AsyncClient(conninfo) as client:
        await client.enqueue_many_copy(plain)
        await client.enqueue_many_copy(unique, unique=awa.UniqueOpts(by_args=True))


def _require_right(session: Session, jobs: int, runs: int) -> None:
    again = sum(1 for n in range(jobs) if n % _EACH in {_FAILS, _SNOOZES})
    if runs != jobs + again:
        raise InternalError(f"{jobs} jobs, {again} of them twice, took {runs} handler runs")
    broken = session.execute('select property, detail from awa."check"() limit 10').fetchall()
    if broken:
        raise InternalError(f"awa.check() finds {broken}")
