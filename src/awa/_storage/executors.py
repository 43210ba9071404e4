"""Four ways to carry a Call: trio, asyncio, sync, and a connection of somebody else's library.

All of them raise Awa's errors: by SQLSTATE where one has a meaning here, OutcomeUnknown when the
connection broke before the answer, and the driver's own error for the rest.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from awa._storage.foreign import ForeignConnection, adapt
from awa.errors import AwaError, OutcomeUnknown, from_sqlstate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awa._storage.calls import Call
    from awa._storage.driver import TrioConnection

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


async def run_trio(conn: TrioConnection[Any], call: Call[T]) -> T:
    """Run one Call on a connection of Awa's trio driver."""
    with _errors_of(conn, call):
        cursor = _ready(conn.cursor(binary=True, row_factory=tuple_row))
        await cursor.execute(call.sql, call.params)
        rows = await cursor.fetchall()
    return call.decode(rows)


async def run_trio_pipeline(conn: TrioConnection[Any], a: Call[A], b: Call[B]) -> tuple[A, B]:
    """Run two Calls in one round trip; `a` has committed before `b` begins.

    The connection must be in autocommit. When `a` fails its error is raised, whatever `b` did.
    """
    assert conn.autocommit
    with _errors_of(conn, a):
        async with conn.pipeline():
            first = _ready(conn.cursor(binary=True, row_factory=tuple_row))
            await first.execute(a.sql, a.params)
            conn.separate()
            second = _ready(conn.cursor(binary=True, row_factory=tuple_row))
            await second.execute(b.sql, b.params)
        rows, more = await first.fetchall(), await second.fetchall()
    return a.decode(rows), b.decode(more)


async def run_asyncio(conn: psycopg.AsyncConnection[Any], call: Call[T]) -> T:
    """Run one Call on a psycopg AsyncConnection under asyncio."""
    with _errors_of(conn, call):
        cursor = _ready(conn.cursor(binary=True, row_factory=tuple_row))
        await cursor.execute(call.sql, call.params)
        rows = await cursor.fetchall()
    return call.decode(rows)


def run_sync(conn: psycopg.Connection[Any], call: Call[T]) -> T:
    """Run one Call on a psycopg Connection."""
    with _errors_of(conn, call):
        cursor = _ready(conn.cursor(binary=True, row_factory=tuple_row))
        cursor.execute(call.sql, call.params)
        rows = cursor.fetchall()
    return call.decode(rows)
