"""What producers reach, and what the same driver reaches with plain SQL on the same server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import awa
from awa._bench.counters import server_cpu_s, wal_bytes
from awa._bench.jobs import bench_jobs, bench_rows
from awa._bench.server import fresh_database, open_session
from awa._storage.connecting import open_connection
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from awa._bench.jobs import BenchJob
    from awa._bench.server import Server
    from awa._storage.driver import TrioConnection

    Connection = TrioConnection[tuple[Any, ...]]
    Row = tuple[int, str]

T = TypeVar("T")
Items = TypeVar("Items")

# Taken in turns of this many, both see the same moods of the machine.
TURN: Final = 250
# One at a time is forty times slower than all at once, and needs fewer to be known.
SINGLES_PER_JOB: Final = 1 / 20
_WARM_UP: Final = 20

_PLAIN_TABLE: Final = "create table plain (id bigint primary key, args jsonb not null)"
_PLAIN_INSERT: Final = "insert into plain (id, args) values (%s, %s::text::jsonb)"


async def measure_limit(server: Server, jobs: int) -> dict[str, float]:
    """Round trips and COPY, without Awa."""
    with fresh_database(server) as conninfo:
        async with open_connection(conninfo) as conn:
            await conn.execute(_PLAIN_TABLE)
            await conn.execute("checkpoint")
            trips = singles(jobs)
            return {
                "limit.roundtrip_per_s": trips / await _timed_s(_round_trips, conn, trips),
                "limit.copy_per_s": jobs / await _timed_s(_copy, conn, bench_rows(jobs)),
            }


async def measure_single(server: Server, jobs: int) -> dict[str, float]:
    """One job per transaction, by the client and as a bare INSERT, in turns."""
    count = singles(jobs)
    rows, new = bench_rows(count + _WARM_UP), bench_jobs(count + _WARM_UP)
    bare_s = awa_s = 0.0
    with fresh_database(server) as conninfo:
        async with open_connection(conninfo) as conn, awa.AsyncClient(conninfo) as client:
            await conn.execute(_PLAIN_TABLE)
            await _insert_bare(conn, rows[count:])
            await _insert_jobs(client, new[count:])
            await conn.execute("checkpoint")
            for start in range(0, count, TURN):
                turn = slice(start, min(start + TURN, count))
                bare_s += await _timed_s(_insert_bare, conn, rows[turn])
                awa_s += await _timed_s(_insert_jobs, client, new[turn])
        _require_stored(conninfo, count + _WARM_UP)
    return {
        "limit.bare_insert_per_s": count / bare_s,
        "enqueue.single_per_s": count / awa_s,
        "enqueue.single_ratio_to_bare_insert": bare_s / awa_s,
    }


async def measure_bulk(server: Server, jobs: int) -> dict[str, float]:
    """All jobs at once."""
    new = bench_jobs(jobs)
    with fresh_database(server) as conninfo, open_session(conninfo) as session:
        async with awa.AsyncClient(conninfo) as client:
            session.execute("checkpoint")
            wal, own_s, server_s = wal_bytes(session), time.process_time(), server_cpu_s(session)
            took_s = await _timed_s(insert_all, client, new)
            own_s = time.process_time() - own_s
            figures = {
                "enqueue.bulk_per_s": jobs / took_s,
                "enqueue.wal_bytes_per_job": (wal_bytes(session) - wal) / jobs,
                "enqueue.client_cpu_s_per_1k": own_s * 1000 / jobs,
            }
            after_s = server_cpu_s(session)
        _require_stored(conninfo, jobs)
    if server_s is not None and after_s is not None:
        figures["enqueue.postgres_cpu_s_per_1k"] = (after_s - server_s) * 1000 / jobs
    return figures


def singles(jobs: int) -> int:
    """How many are enqueued one at a time."""
    return max(_WARM_UP, int(jobs * SINGLES_PER_JOB))


async def insert_all(client: awa.AsyncClient, jobs: Sequence[BenchJob]) -> None:
    """Enqueue in bulk, as users do."""
    await client.enqueue_many_copy(jobs)


async def _timed_s(work: Callable[[T, Items], Awaitable[None]], through: T, items: Items) -> float:
    began_s = time.perf_counter()
    await work(through, items)
    return time.perf_counter() - began_s


async def _round_trips(conn: Connection, count: int) -> None:
    for _ in range(count):
        await conn.execute("select 1")


async def _copy(conn: Connection, rows: Sequence[Row]) -> None:
    async with conn.cursor().copy("copy plain (id, args) from stdin") as copy:
        for row in rows:
            await copy.write_row(row)


async def _insert_bare(conn: Connection, rows: Sequence[Row]) -> None:
    for row in rows:
        await conn.execute(_PLAIN_INSERT, row)


async def _insert_jobs(client: awa.AsyncClient, jobs: Sequence[BenchJob]) -> None:
    for job in jobs:
        await client.insert(job)


def _require_stored(conninfo: str, jobs: int) -> None:
    """A rate of jobs that are not there means nothing. Raises InternalError."""
    with open_session(conninfo) as session:
        row = session.execute("select sum(available)::bigint from awa.queues").fetchone()
    if row != (jobs,):
        raise InternalError(f"{jobs} jobs were enqueued, and the database shows {row}")
