"""A small pool of connections for producers and administrators, under trio and asyncio alike.

The worker does not use it: its few connections each have one purpose and one owner.
"""

from __future__ import annotations

import asyncio
import select
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import psycopg
import sniffio
import trio
from psycopg import pq

from awa._core.limits import POOL_IDLE_TRUST_S, POOL_SIZE_DEFAULT
from awa._storage.connecting import Connection, close_now, connect
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Pool:
    """At most `size` connections, opened when needed, lent one caller at a time.

    Lending fails with ServerUnreachable when a new connection is needed and cannot be made. A
    caller that finds all of them lent waits; set a deadline on the block to bound that. Borrowing
    twice in one task can wait for itself when the pool is small: pass the connection along.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        size: int = POOL_SIZE_DEFAULT,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if size < 1:
            raise ConfigurationError(f"a pool of {size} connections can lend none")
        self._conninfo = conninfo
        self._settings = dict(settings or {})
        self._size: Final = size
        self._permits: trio.Semaphore | asyncio.Semaphore | None = None
        self._library = _running_here()
        """Whose connections these are: trio's or asyncio's; "" until the first is borrowed."""
        self._idle: list[tuple[float, Connection]] = []
        self._lent = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back. No checkpoint."""
        self._closed = True
        while self._idle:
            close_now(self._idle.pop()[1])

    def statistics(self) -> tuple[int, int]:
        """How many connections are (lent, idle)."""
        return self._lent, len(self._idle)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection in autocommit.

        It is closed instead of kept when the block leaves a transaction or a statement open, so
        a cancelled block never hands its mess to the next borrower. Raises ServerUnreachable, and
        ConfigurationError when the pool is closed.
        """
        async with self._limit():
            connection = await self._take()
            self._lent += 1
            try:
                yield connection
            finally:
                self._lent -= 1
                self._give_back(connection)

    def _limit(self) -> trio.Semaphore | asyncio.Semaphore:
        if self._closed:
            raise ConfigurationError("the pool is closed")
        here = sniffio.current_async_library()
        if here != (self._library or here):
            raise ConfigurationError(_elsewhere(self._library, here))
        if self._permits is None:
            self._library = here
            self._permits = (trio.Semaphore if here == "trio" else asyncio.Semaphore)(self._size)
        return self._permits

    async def _take(self) -> Connection:
        # The one used last: the others may rest and be closed by the server.
        while self._idle:
            since, connection = self._idle.pop()
            if await _healthy(connection, idle_s=time.monotonic() - since):
                return connection
        return await connect(self._conninfo, settings=self._settings)

    def _give_back(self, connection: Connection) -> None:
        clean = connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        if self._closed or not clean or not connection.autocommit:
            close_now(connection)
        else:
            self._idle.append((time.monotonic(), connection))


def _running_here() -> str:
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return ""


def _elsewhere(library: str, here: str) -> str:
    problem = f"the client was opened under {library}, and this call comes from {here}"
    if library == "trio":
        return f"{problem}: call it by `trio_asyncio.trio_as_aio`, as in `trio_as_aio(f)(x)`"
    return f"{problem}: open one there"


async def _healthy(connection: Connection, *, idle_s: float) -> bool:
    """Whether the server is still there; closes the connection when it is not.

    A server that went away leaves a socket that can be read. Only what looks odd, or has rested
    long, costs a round trip.
    """
    if connection.closed:
        return False
    if idle_s < POOL_IDLE_TRUST_S and not _readable(connection):
        return True
    try:
        await connection.execute("")
    except psycopg.Error:
        close_now(connection)
    except BaseException:
        close_now(connection)
        raise
    return not connection.closed


def _readable(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))
