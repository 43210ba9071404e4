"""Four ways to carry a Call: trio, asyncio, sync, and a connection of somebody else's library.

All of them raise Awa's errors: by SQLSTATE where it has a meaning here, OutcomeUnknown when the
connection broke before the answer came, and the driver's own error for the rest.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from awa._storage.ahead import AheadCursor
from awa._storage.foreign import adapt
from awa.errors import AwaError, ConfigurationError, OutcomeUnknown, from_sqlstate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from awa._storage.calls import Call, Rows
    from awa._storage.driver import TrioConnection

T = TypeVar("T")
Cursor = TypeVar("Cursor", bound="psycopg.AsyncCursor[Any] | psycopg.Cursor[Any]")


async def run_trio(conn: TrioConnection[Any], call: Call[T]) -> T:
    """Run one Call on a connection of Awa's trio driver."""
    return await run_asyncio(conn, call)


async def run_overlapped(
    conn: psycopg.AsyncConnection[Any], calls: AsyncIterator[Call[T]]
) -> list[T]:
    """Run Calls one after the other, each in a transaction of its own; answers in their order.

    Under trio a Call is sent while the one before it is still at work, so that making it costs no
    time of the server's. When one fails its error is raised, and the next may have been done.
    """
    from awa._storage.driver import TrioConnection  # noqa: PLC0415  # asyncio needs no trio

    assert conn.autocommit, "a transaction around them would commit them together"
    if not isinstance(conn, TrioConnection) or conn.pooled:
        return [await run_asyncio(conn, call) async for call in calls]
    answers: list[T] = []
    before: tuple[Call[T], AheadCursor] | None = None
    async with conn.pipeline():
        async for call in calls:
            cursor = raw(AheadCursor(conn))
            with errors_of(conn, call):
                await cursor.execute(call.sql, call.params)
                conn.separate()
            if before is not None:
                answers.append(await _answer(conn, *before))
            before = call, cursor
        if before is not None:
            answers.append(await _answer(conn, *before))
    return answers


async def _answer(conn: TrioConnection[Any], call: Call[T], cursor: AheadCursor) -> T:
    with errors_of(conn, call):
        await conn.answered(cursor)
        rows = await cursor.fetchall()
    return call.decode(rows)


async def run_asyncio(conn: psycopg.AsyncConnection[Any], call: Call[T]) -> T:
    """Run one Call on a psycopg AsyncConnection under asyncio."""
    with errors_of(conn, call):
        cursor = raw(conn.cursor(binary=True, row_factory=tuple_row))
        await cursor.execute(call.sql, call.params)
        rows = await _rows(cursor)
    return call.decode(rows)


def run_sync(conn: psycopg.Connection[Any], call: Call[T]) -> T:
    """Run one Call on a psycopg Connection."""
    with errors_of(conn, call):
        cursor = raw(conn.cursor(binary=True, row_factory=tuple_row))
        cursor.execute(call.sql, call.params)
        rows = cursor.fetchall() if _has_rows(cursor) else []
    return call.decode(rows)


async def run_foreign(connection: Any, call: Call[T]) -> T:
    """Run one Call on an asynchronous connection: psycopg's, asyncpg's or SQLAlchemy's.

    The Call runs in the caller's transaction, and nothing is committed here.
    """
    if isinstance(connection, psycopg.AsyncConnection):
        return await run_asyncio(connection, call)
    fetch = adapt(connection).fetch_async
    if fetch is None:
        raise ConfigurationError("the connection is synchronous: use the synchronous twin")
    with _foreign_errors(call):
        rows = await fetch(call.sql, call.params)
    return call.decode(rows)


def run_foreign_sync(connection: Any, call: Call[T]) -> T:
    """Run one Call on a synchronous connection: psycopg's, SQLAlchemy's, Django's or a DB-API's.

    The Call runs in the caller's transaction, and nothing is committed here.
    """
    if isinstance(connection, psycopg.Connection):
        return run_sync(connection, call)
    fetch = adapt(connection).fetch
    if fetch is None:
        raise ConfigurationError("the connection is asynchronous: await the asynchronous twin")
    with _foreign_errors(call):
        rows = fetch(call.sql, call.params)
    return call.decode(rows)


def raw(cursor: Cursor) -> Cursor:
    """JSON as the bytes of its text: psycopg's loader would build objects nobody asked for."""
    cursor.adapters.register_loader("json", ByteaBinaryLoader)
    return cursor


async def _rows(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> Rows:
    return await cursor.fetchall() if _has_rows(cursor) else []


def _has_rows(cursor: psycopg.AsyncCursor[Any] | psycopg.Cursor[Any]) -> bool:
    """As `cursor.description`, which describes each column to whoever only asks whether."""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


@contextmanager
def errors_of(
    conn: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], call: Call[Any]
) -> Iterator[None]:
    """Raise Awa's errors for the driver's, of one call on its connection."""
    usable = not conn.closed
    try:
        yield
    except psycopg.Error as error:
        diag = error.diag
        known = from_sqlstate(
            error.sqlstate,
            message=diag.message_primary or str(error),
            detail=diag.message_detail,
            schema=call.schema,
        )
        if known is not None:
            raise known from error
        if usable and conn.closed:
            raise OutcomeUnknown(f"the connection broke during {call.action}: {error}") from error
        raise


@contextmanager
def _foreign_errors(call: Call[Any]) -> Iterator[None]:
    """The same for drivers that are not imported: their errors carry the SQLSTATE somewhere."""
    try:
        yield
    except AwaError:
        raise
    except Exception as error:
        # SQLAlchemy and Django wrap the driver's error.
        cause = getattr(error, "orig", None) or error.__cause__ or error
        known = _known(cause, call) or _known(cause.__cause__, call)
        if known is None:
            raise
        raise known from error


def _known(cause: BaseException | None, call: Call[Any]) -> AwaError | None:
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    diag = getattr(cause, "diag", None)
    detail = getattr(diag, "message_detail", None) or getattr(cause, "detail", None)
    message = getattr(diag, "message_primary", None) or getattr(cause, "message", None)
    return from_sqlstate(state, message=message or str(cause), detail=detail, schema=call.schema)
