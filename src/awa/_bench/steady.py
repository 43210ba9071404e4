"""Latency at a steady rate, and what an idle worker costs.

Producers insert one job per transaction, at times that are fixed beforehand: a slow answer delays
no later insert, so that waiting is not left out of the figures.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

import awa
from awa._bench.counters import wal_bytes
from awa._bench.jobs import TimedJob
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import wait_until_up, worker_processes
from awa.errors import InternalError

if TYPE_CHECKING:
    import psycopg

    from awa._bench.server import Server

    Session = psycopg.Connection[tuple[Any, ...]]

RATES: Final = (200, 1000)
_POOL_SIZE: Final = 8
_JOBS_PER_SECOND_OF_RUN: Final = 10_000
_RUN_S_MIN: Final = 0.5
_DONE_TIMEOUT_S: Final = 60.0
_LOOK_INTERVAL_S: Final = 0.05
_COUNTED_LATE_S: Final = 12.0
"""A session that falls idle tells the counters what it did some 10 s later at most."""
_PERCENTILES: Final = (50, 95, 99)

_TIMES: Final = """
    select (args ->> 'n')::int, (result #>> '{}')::float8, extract(epoch from finished_at)::float8
    from awa.jobs where kind = 'timed_job' and state = 'completed'"""
_COMMITS: Final = "select xact_commit from pg_stat_database where datname = current_database()"


@dataclass(slots=True)
class _Sent:
    """When an insert was due, and when it was answered, by the machine's clock."""

    due_s: float = 0.0
    answered_s: float = 0.0


def measure_steady(server: Server, jobs: int) -> dict[str, float]:
    """Insert at each of RATES for a while; milliseconds until a handler runs, and until the end."""
    figures: dict[str, float] = {}
    for rate in RATES:
        with fresh_database(server) as conninfo, open_session(conninfo) as session:
            session.execute("select awa.ensure_lane('default')")
            with worker_processes(conninfo, 1) as workers:
                wait_until_up(session, workers)
                count = int(rate * run_s(jobs))
                sent = trio.run(_produce, conninfo, rate, count)
                figures |= _figures(rate, sent, wait_for_times(session, count + _POOL_SIZE))
    return figures


def measure_idle(server: Server, jobs: int) -> dict[str, float]:
    """One worker with nothing to do: transactions and WAL per second."""
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        session.execute("select awa.ensure_lane('default')")
        session.execute(
            "vacuum analyze"
        )  # or the server would, meanwhile, in the database we count
        with worker_processes(conninfo, 1) as workers:
            wait_until_up(session, workers)
            # What it does once, it has done, and its idle sessions have told the server's counters.
            time.sleep(min(run_s(jobs) * 2, _COUNTED_LATE_S))
            commits, wal, began_s = _one(session, _COMMITS), wal_bytes(session), time.monotonic()
            time.sleep(run_s(jobs) * 2)
            took_s = time.monotonic() - began_s
            session.execute("select pg_stat_clear_snapshot()")
            # Our own look at the counters is one of them.
            return {
                "idle.queries_per_s": max(0, _one(session, _COMMITS) - commits - 2) / took_s,
                "idle.wal_bytes_per_s": (wal_bytes(session) - wal) / took_s,
            }


def run_s(jobs: int) -> float:
    """How long a rate is kept up: ten seconds for the usual 100,000 jobs."""
    return max(_RUN_S_MIN, jobs / _JOBS_PER_SECOND_OF_RUN)


async def _produce(conninfo: str, rate: int, count: int) -> list[_Sent]:
    sent = [_Sent() for _ in range(count)]
    async with awa.AsyncClient(conninfo, pool_size=_POOL_SIZE) as client:
        await _open_all(client, count)
        began_s = time.time() + 0.1
        for number, one in enumerate(sent):
            one.due_s = began_s + number / rate
        async with trio.open_nursery() as nursery:
            for number in range(_POOL_SIZE):
                nursery.start_soon(_insert, client, sent, number)
    return sent


async def _open_all(client: awa.AsyncClient, count: int) -> None:
    """Make every connection of the pool, each by an insert that is not measured."""
    async with trio.open_nursery() as nursery:
        for number in range(_POOL_SIZE):
            nursery.start_soon(client.insert, TimedJob(count + number))


async def _insert(client: awa.AsyncClient, sent: list[_Sent], start: int) -> None:
    """Every so many-th insert: the producers take turns."""
    for number in range(start, len(sent), _POOL_SIZE):
        await trio.sleep(max(0.0, sent[number].due_s - time.time()))
        await client.insert(TimedJob(number))
        sent[number].answered_s = time.time()


def wait_for_times(session: Session, count: int) -> dict[int, tuple[float, float]]:
    """When each timed job started and ended, once so many have. Raises InternalError."""
    deadline_s = time.monotonic() + _DONE_TIMEOUT_S
    while True:
        rows = session.execute(_TIMES).fetchall()
        if len(rows) >= count:
            return {number: (started_s, ended_s) for number, started_s, ended_s in rows}
        if time.monotonic() > deadline_s:
            raise InternalError(f"only {len(rows)} of {count} timed jobs are completed")
        time.sleep(_LOOK_INTERVAL_S)


def _figures(
    rate: int, sent: list[_Sent], times: dict[int, tuple[float, float]]
) -> dict[str, float]:
    # A handler may start before its producer has heard of the commit.
    pickup = [max(0.0, times[n][0] - sent[n].answered_s) * 1e3 for n in range(len(sent))]
    whole = [(times[n][1] - sent[n].due_s) * 1e3 for n in range(len(sent))]
    return percentiles(f"steady.pickup_ms_at_{rate}", pickup) | percentiles(
        f"steady.end_to_end_ms_at_{rate}", whole
    )


def percentiles(name: str, values: list[float]) -> dict[str, float]:
    """The figures of this name."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"{name}.p{percent}": cuts[percent - 1] for percent in _PERCENTILES}


def _one(session: Session, query: Any) -> int:
    row = session.execute(query).fetchone()
    assert row is not None
    return int(row[0])
