"""The asynchronous client: enqueues, administers, and under trio holds a worker.

Producing and administering work under trio and under asyncio; the worker needs trio. The
synchronous twin is `awa.Client`.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import sniffio
import trio

from awa._client.bursts import AsyncBursts
from awa._client.dlq import AsyncDlq
from awa._client.health import ANSWER_MIN_S, Health, health_of
from awa._client.jobs import AsyncJobs
from awa._client.own_transactions import JobTransaction
from awa._client.periodic import checked_namespace
from awa._client.producing import JobHandle, Producing, handle_of
from awa._client.queue_admin import AsyncQueues
from awa._client.schedules import AsyncSchedules
from awa._client.steps import drive
from awa._client.transactions import Transaction
from awa._client.urls import direct_of, target_of
from awa._core.batches import batches
from awa._core.copying import CopyAnswer
from awa._core.options import checked_duration_s, checked_int
from awa._storage import views
from awa._storage.committing import in_transaction
from awa._storage.connecting import close_now, connect
from awa._storage.executors import run_asyncio, run_overlapped
from awa._storage.functions import Storage
from awa._storage.history import storage_status
from awa._storage.install import install_roles, migrate, named_roles, require_version
from awa._storage.pool import Pool
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from awa._client.producing import Lane
    from awa._client.steps import Steps
    from awa._core.entries import Violation
    from awa._core.unique import OnConflict, UniqueOpts
    from awa._storage.calls import Call
    from awa._storage.connecting import Connection
    from awa.embedded import Server

T = TypeVar("T")
SCHEMA_DEFAULT = "awa"
POOL_SIZE_DEFAULT = 4


class AsyncClient(AsyncBursts, AsyncJobs, AsyncQueues, AsyncDlq, AsyncSchedules):
    """A database with Awa in it; use it as `async with awa.AsyncClient(url) as client:`.

    `url`: a PostgreSQL URL or connection string, or `embedded://NAME` for a server of your own;
    without it `DATABASE_URL` counts. `schema`: where Awa lives. `pool_size`: connections for
    producing and administering; a worker has its own, three and two more to lead, and those of
    its handlers' own transactions. `direct_url`: the server itself where `url` is a pooler's; there
    a worker listens and leads. `namespace`: whose schedules these are; what it does not declare any
    more is removed when a worker starts.
    Raises ConfigurationError when no database is named.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        schema: str = SCHEMA_DEFAULT,
        pool_size: int = POOL_SIZE_DEFAULT,
        direct_url: str | None = None,
        namespace: str | None = None,
    ) -> None:
        target = target_of(url)
        super().__init__(direct_conninfo=direct_of(direct_url))
        self._declarations.namespace = checked_namespace(namespace)
        self._target = target
        self._storage = Storage(schema)
        self._pool_size = checked_int("pool_size", pool_size, low=1, high=1000)
        self._producing = Producing(self._storage, self._handlers)
        self._server: Server | None = None
        self._pool: Pool | None = None

    @property
    def schema(self) -> str:
        """The schema Awa lives in."""
        return self._storage.schema

    # Lifetime ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._pool is not None:
            raise ConfigurationError("the client is open already")
        if self._target.embedded is None:
            self._conninfo, self._server = self._target.open()
        elif sniffio.current_async_library() == "trio":
            self._conninfo, self._server = await trio.to_thread.run_sync(self._target.open)
        else:
            import asyncio  # noqa: PLC0415  # only where it runs already

            self._conninfo, self._server = await asyncio.to_thread(self._target.open)
        self._pool = Pool(self._conninfo, size=self._pool_size)
        if sniffio.current_async_library() == "trio":
            await self._open_nursery()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            if self._nursery is not None:
                await self._end_worker(failed=exc_val is not None)
        finally:
            self._nursery = None
            assert self._pool is not None
            self._pool.close()
            self._pool = None
            if self._server is not None:
                self._server.close()
                self._server = None

    # Producing -----------------------------------------------------------------------------------

    async def insert(
        self,
        args: object,
        *,
        kind: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        deadline: timedelta | float | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        run_at: datetime | None = None,
        delay: timedelta | float | None = None,
        ordering_key: str | bytes | None = None,
        unique: UniqueOpts | Mapping[str, Any] | bool | None = None,
        on_conflict: OnConflict | None = None,
    ) -> JobHandle:
        """Store one job, in a transaction of its own.

        `args`: a dataclass, Struct or model, or a mapping and `kind` beside it. `queue` defaults to
        its handler's, else "default"; `priority`: 1 (first) to 4, default 2; `max_attempts`:
        default 25; `deadline`: how long one attempt may take, default the queue's, 0 for none;
        `run_at`, an aware datetime, or `delay`: not before then; `ordering_key`: jobs with the same
        one are claimed in their order; `unique`: what makes the job unique (True: its kind and
        arguments), and `on_conflict`: what to do when another job holds its key, by default raise.
        Raises InvalidInput and UniqueConflict with nothing written, ServerUnreachable,
        SchemaMissing.
        """
        options = {
            "kind": kind,
            "queue": queue,
            "priority": priority,
            "max_attempts": max_attempts,
            "deadline": deadline,
            "tags": tags,
            "metadata": metadata,
            "run_at": run_at,
            "delay": delay,
            "ordering_key": ordering_key,
            "unique": unique,
            "on_conflict": on_conflict,
        }
        prepared = self._producing.prepare(args, options)
        async with self._opened().connection() as conn:
            await self._make_lanes([prepared.lane], conn)
            return handle_of(await run_asyncio(conn, self._storage.enqueue(prepared.job)))

    async def insert_many(self, jobs: Iterable[object], **options: Any) -> list[JobHandle]:
        """Store jobs in one transaction, all or none; options as in `insert`, the same for all.

        Raises InvalidInput with nothing written.
        """
        same = self._producing.batch(options)
        prepared = [*same.prepare_all(jobs)]
        handles: list[JobHandle] = []
        async with self._opened().connection() as conn:
            await self._make_lanes(same.lanes, conn)
            async with in_transaction(conn):
                for batch in batches(prepared):
                    answers = await run_asyncio(conn, self._storage.enqueue_many(batch))
                    handles += [handle_of(answer) for answer in answers]
        return handles

    async def enqueue_many_copy(self, jobs: Iterable[object], **options: Any) -> CopyAnswer:
        """Store very many jobs, a few thousand to a transaction; answers how many, and no ids.

        Jobs are taken from the iterable as they are sent, so a generator needs little memory. While
        the server stores a batch the next one is made, and is sent before the answer is there: what
        was sent before an error stays. Options as in `insert`, the same for all.
        """
        same = self._producing.batch(options)

        async def calls() -> AsyncGenerator[Call[CopyAnswer], None]:
            for batch in batches(same.prepare_all(jobs)):
                await self._make_lanes(same.lanes)
                yield self._storage.enqueue_many_counted(batch)

        async with self._opened().connection() as conn, aclosing(calls()) as made:
            return sum(await run_overlapped(conn, made), CopyAnswer())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction for your own statements and jobs: both commit together, or neither.

        It borrows one of the client's connections for the length of the block.
        """
        async with self._opened().connection() as conn, in_transaction(conn):
            yield Transaction(conn, self._storage, self._producing, self._make_lanes)

    def _transact(self, conn: Connection) -> JobTransaction:
        return JobTransaction(conn, self._storage, self._producing, self._make_lanes)

    async def _make_lanes(self, lanes: Iterable[Lane], conn: Any = None) -> None:
        for lane, call in self._producing.missing_lanes(lanes):
            if conn is None:
                # The caller's connection is at work (a business transaction, a batch under way),
                # and over another of the pool callers could wait for each other.
                own = await connect(self._conninfo)
                try:
                    await run_asyncio(own, call)
                finally:
                    close_now(own)
            else:
                await run_asyncio(conn, call)
            self._producing.made(lane)

    # Administering -------------------------------------------------------------------------------

    async def migrate(self, *, roles: bool | Mapping[str, str] = False) -> None:
        """Create or upgrade the schema, in one transaction; `roles`: make the roles as well.

        `roles` is True, or the names of those called otherwise: `{"producer": "shop_writer"}`.
        Raises SchemaNewer before anything is touched, and ConfigurationError for a wrong role.
        """
        names = named_roles(roles)
        await self._run(migrate(self.schema))
        if roles:
            await self._run(install_roles(self.schema, names))

    async def check(self) -> tuple[Violation, ...]:
        """Every property that does not hold in the database as it is; empty when all is well."""
        return await self._run(self._storage.check())

    async def health_check(self, *, timeout_seconds: float = 5.0) -> Health:
        """Whether the database answers and the worker, if there is one, lives."""
        limit_s = checked_duration_s("timeout_seconds", timeout_seconds, low_s=ANSWER_MIN_S)
        worker = None if self._worker is None else self._worker.health()
        return await health_of(self._opened(), self._storage, worker, timeout_s=limit_s)

    async def server_facts(self) -> tuple[str, str]:
        """The version of PostgreSQL, and the name of the database. Refuses another schema version.

        Raises SchemaMissing, SchemaNewer, SchemaOlder, ServerUnreachable.
        """
        require_version(await self._run(self._storage.schema_version()), self.schema)
        return await self._run(views.server_facts())

    async def storage_status(self) -> dict[str, Any]:
        """Slots, lanes, workers and sizes, for people: its fields may change between versions."""
        return await self._run(storage_status(schema=self.schema))

    async def _follow(self, steps: Steps[T]) -> T:
        if sniffio.current_async_library() == "trio":
            return await drive(steps, self._run, trio.sleep)
        import asyncio  # noqa: PLC0415  # only where it runs already

        return await drive(steps, self._run, asyncio.sleep)

    async def _run(self, call: Call[T]) -> T:
        async with self._opened().connection() as conn:
            return await run_asyncio(conn, call)

    def _require_open(self) -> None:
        self._opened()

    def _opened(self) -> Pool:
        if self._pool is None:
            raise ConfigurationError("the client is not open: use it as `async with client:`")
        return self._pool
