"""Calls on one connection that are sent before those in front of them are answered.

psycopg's pipelines are blocks, left by one more Sync and a wait for its answer. Here the pipeline
is open for as long as an answer is missing, and every call has its Sync behind it: it commits by
itself, whatever becomes of the next one, and nothing is sent to leave.

A connection whose pipeline is open takes calls by `send_ahead` and `answer_of` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from awa._storage.ahead import AheadCursor
from awa._storage.executors import errors_of, raw, run_trio

if TYPE_CHECKING:
    import psycopg

    from awa._storage.calls import Call
    from awa._storage.driver import TrioConnection

T = TypeVar("T")


@dataclass(slots=True, kw_only=True, eq=False)
class Asked(Generic[T]):
    """A call that may be under way, before others or behind them."""

    call: Call[T]
    pipeline: psycopg.AsyncPipeline | None = None
    """By which it was sent last."""
    cursor: AheadCursor | None = None
    """Where its answer comes."""

    @property
    def has_rows(self) -> bool:
        """Whether its rows have come."""
        return self.cursor is not None and self.cursor.pgresult is not None


async def send_ahead(conn: TrioConnection[Any], *calls: Asked[Any]) -> None:
    """Send these behind what is under way; behind a pool nothing is sent yet.

    The connection must be in autocommit. Each is a transaction of its own, and all leave together:
    who is frozen afterwards keeps no lock of any but the one that is being answered.
    """
    assert conn.autocommit, "a transaction around them would commit them together"
    if conn.pooled:
        return
    pipeline = conn.open_pipeline or conn.enter_pipeline()
    try:
        with conn.in_one_piece():
            for place, asked in enumerate(calls):
                if place:
                    conn.separate()
                asked.pipeline = pipeline
                asked.cursor = raw(AheadCursor(conn))
                await asked.cursor.execute(asked.call.sql, asked.call.params)
        await conn.send_pipeline()
    except Exception:
        conn.discard()  # half of them may have left
        raise


async def answer_of(conn: TrioConnection[Any], asked: Asked[T]) -> T:
    """Wait for the answer to a call, which is sent now if it is not under way on this connection.

    When it fails nothing is under way any more: the others may have been done, and are sent again
    when their answers are asked for.
    """
    if not asked.has_rows:
        if conn.open_pipeline is None:
            return await run_trio(conn, asked.call)
        await _receive(conn, conn.open_pipeline, asked)
    assert asked.cursor is not None
    return asked.call.decode(await asked.cursor.fetchall())


async def _receive(
    conn: TrioConnection[Any], pipeline: psycopg.AsyncPipeline, asked: Asked[Any]
) -> None:
    if asked.cursor is None or asked.pipeline is not pipeline:
        await send_ahead(conn, asked)
    cursor = asked.cursor
    assert cursor is not None
    try:
        with errors_of(conn, asked.call):
            await conn.answered(cursor)
            if not any(pipeline.result_queue):
                await conn.leave_pipeline()
    except Exception:
        if not conn.closed:
            await conn.leave_pipeline()
        raise
