"""What one bare commit costs at the rate of `steady`: every pickup has one of its own inside."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import trio

from awa._bench.server import fresh_database
from awa._bench.steady import percentiles, run_s
from awa._storage.connecting import open_connection

if TYPE_CHECKING:
    from awa._bench.server import Server
    from awa._storage.driver import TrioConnection

    Connection = TrioConnection[tuple[Any, ...]]

RATE: Final = 200
"""That of the bound on pickups."""
_CONNECTIONS: Final = 8
_TABLE: Final = "create table plain (id bigint primary key, args jsonb not null)"
_INSERT: Final = "insert into plain (id, args) values (%s, '{}')"


def measure_paced(server: Server, jobs: int) -> dict[str, float]:
    """Milliseconds of a one-row INSERT, a transaction each, at 200 a second."""
    with fresh_database(server) as conninfo:
        took_ms = trio.run(_paced, conninfo, int(RATE * run_s(jobs)))
    found = percentiles(f"limit.insert_ms_at_{RATE}", took_ms)
    return {name: value for name, value in found.items() if not name.endswith("p95")}


async def _paced(conninfo: str, count: int) -> list[float]:
    took_ms: list[float] = []
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_connection(conninfo)) for _ in range(_CONNECTIONS)
        ]
        await opened[0].execute(_TABLE)
        began_s = time.monotonic()
        async with trio.open_nursery() as nursery:
            for number, conn in enumerate(opened):
                nursery.start_soon(
                    _insert, conn, range(number, count, _CONNECTIONS), began_s, took_ms
                )
    return took_ms


async def _insert(conn: Connection, numbers: range, began_s: float, took_ms: list[float]) -> None:
    for number in numbers:
        await trio.sleep(max(0.0, began_s + number / RATE - time.monotonic()))
        sent_s = time.monotonic()
        await conn.execute(_INSERT, [number])
        took_ms.append((time.monotonic() - sent_s) * 1e3)
