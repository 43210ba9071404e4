"""A transaction of the client's: your own statements and jobs commit together."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from psycopg import AsyncConnection, AsyncRawCursor

from awa._client.producing import JobHandle, Lane, Producing, handle_of
from awa._core.batches import batches
from awa._core.options import checked_text
from awa._storage.executors import run_asyncio
from awa._storage.functions import Storage


class Transaction:
    """An open transaction. Made by `AsyncClient.transaction`; ends with its block.

    A narrow surface on purpose: for more, use your own driver and `awa.bridge`.
    """

    def __init__(
        self,
        conn: AsyncConnection[Any],
        storage: Storage,
        producing: Producing,
        make_lanes: Callable[[Iterable[Lane]], Awaitable[None]],
    ) -> None:
        self._conn = conn
        self._storage = storage
        self._producing = producing
        self._make_lanes = make_lanes

    async def execute(self, query: str, *params: Any) -> int:
        """Run one statement with `$1`, `$2` ... as placeholders; answers the count of rows."""
        async with AsyncRawCursor(self._conn) as cursor:
            await cursor.execute(checked_text("query", query).encode(), params)
            return cursor.rowcount

    async def fetch_all(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one query with `$1`, `$2` ... as placeholders; answers its rows."""
        async with AsyncRawCursor(self._conn) as cursor:
            await cursor.execute(checked_text("query", query).encode(), params)
            return await cursor.fetchall()

    async def insert(self, args: object, **options: Any) -> JobHandle:
        """Store one job, seen by workers when the block commits. Options as in the client's."""
        prepared = self._producing.prepare(args, options)
        await self._make_lanes([prepared.lane])
        return handle_of(await run_asyncio(self._conn, self._storage.enqueue(prepared.job)))

    async def insert_many(self, jobs: Iterable[object], **options: Any) -> list[JobHandle]:
        """Store jobs, seen by workers when the block commits. Options as in the client's."""
        same = self._producing.batch(options)
        prepared = [*same.prepare_all(jobs)]
        await self._make_lanes(same.lanes)
        handles: list[JobHandle] = []
        for batch in batches(prepared):
            answers = await run_asyncio(self._conn, self._storage.enqueue_many(batch))
            handles += [handle_of(answer) for answer in answers]
        return handles
