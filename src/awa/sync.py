"""The synchronous client, for Django, Flask and scripts; the twin of `awa.AsyncClient`."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import psycopg

from awa._client.blocking import run_here
from awa._client.bursts import Bursts
from awa._client.dlq import Dlq
from awa._client.holding import SHUTDOWN_TIMEOUT_MS
from awa._client.jobs import Jobs
from awa._client.periodic import checked_namespace
from awa._client.producing import JobHandle, Lane, Producing, handle_of
from awa._client.queue_admin import Queues
from awa._client.schedules import Schedules
from awa._client.steps import drive_sync
from awa._client.urls import direct_of, target_of
from awa._client.working import work
from awa._core.batches import batches
from awa._core.copying import CopyAnswer
from awa._storage import views
from awa._storage.committing import in_transaction_sync
from awa._storage.connecting import prepare_nothing_in_pools
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.history import storage_status
from awa._storage.install import install_roles, migrate, named_roles, require_version
from awa._storage.refusals import not_connected
from awa.client import SCHEMA_DEFAULT, AsyncClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from awa._client.health import Health
    from awa._client.queues import QueueChoice
    from awa._client.steps import Steps
    from awa._client.worker_options import WorkerOptions
    from awa._core.entries import Violation
    from awa._core.unique import OnConflict, UniqueOpts
    from awa._storage.calls import Call
    from awa.embedded import Server

T = TypeVar("T")


class Client(Bursts, Schedules, Jobs, Queues, Dlq):
    """A database with Awa in it, for synchronous programs. May be shared by threads.

    It opens one connection when it is first used and keeps it; `close`, or the end of a `with`
    block, closes it. Arguments and errors as in `AsyncClient`, of which it leaves out
    `transaction`, and `start` with what belongs to it: a job in a transaction of yours is stored by
    `awa.bridge`, and `run_worker` runs a worker.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        schema: str = SCHEMA_DEFAULT,
        direct_url: str | None = None,
        namespace: str | None = None,
    ) -> None:
        super().__init__()
        self._declarations.namespace = checked_namespace(namespace)
        self._url = url
        direct_of(direct_url)
        self._direct_url = direct_url
        self._target = target_of(url)
        self._storage = Storage(schema)
        self._producing = Producing(self._storage, self._handlers)
        self._turn = threading.RLock()
        self._conn: psycopg.Connection[Any] | None = None
        self._server: Server | None = None

    @property
    def schema(self) -> str:
        """The schema Awa lives in."""
        return self._storage.schema

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        with self._turn:
            if self._conn is not None:
                self._conn.close()
                self._conn = None
            if self._server is not None:
                self._server.close()
                self._server = None

    def migrate(self, *, roles: bool | Mapping[str, str] = False) -> None:
        """As `AsyncClient.migrate`."""
        names = named_roles(roles)
        self._run(migrate(self.schema))
        if roles:
            self._run(install_roles(self.schema, names))

    def insert(
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
        """Store one job, in a transaction of its own; see `AsyncClient.insert`."""
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
        with self._connection() as conn:
            self._make_lanes(conn, [prepared.lane])
            return handle_of(run_sync(conn, self._storage.enqueue(prepared.job)))

    def insert_many(self, jobs: Iterable[object], **options: Any) -> list[JobHandle]:
        """Store jobs in one transaction, all or none; see `AsyncClient.insert_many`."""
        same = self._producing.batch(options)
        prepared = [*same.prepare_all(jobs)]
        handles: list[JobHandle] = []
        with self._connection() as conn:
            self._make_lanes(conn, same.lanes)
            with in_transaction_sync(conn):
                for batch in batches(prepared):
                    answers = run_sync(conn, self._storage.enqueue_many(batch))
                    handles += [handle_of(answer) for answer in answers]
        return handles

    def enqueue_many_copy(self, jobs: Iterable[object], **options: Any) -> CopyAnswer:
        """Store very many jobs, a few thousand to a transaction; answers how many, and no ids."""
        same = self._producing.batch(options)
        answer = CopyAnswer()
        with self._connection() as conn:
            for batch in batches(same.prepare_all(jobs)):
                self._make_lanes(conn, same.lanes)
                answer += run_sync(conn, self._storage.enqueue_many_counted(batch))
        return answer

    def check(self) -> tuple[Violation, ...]:
        """Every property that does not hold in the database as it is; empty when all is well."""
        return self._run(self._storage.check())

    def health_check(self, *, timeout_seconds: float = 5.0) -> Health:
        """Whether the database answers, over a connection of its own, and why not.

        Whether workers do is in `vitals().problems()`.
        """

        async def run() -> Health:
            async with self.asynchronous() as client:
                return await client.health_check(timeout_seconds=timeout_seconds)

        return run_here(run, "health_check")

    def server_facts(self) -> tuple[str, str]:
        """As `AsyncClient.server_facts`."""
        require_version(self._run(self._storage.schema_version()), self.schema)
        return self._run(views.server_facts())

    def asynchronous(self) -> AsyncClient:
        """An asynchronous client of the same database, schema, handlers and schedules."""
        client = AsyncClient(self._url, schema=self.schema, direct_url=self._direct_url)
        client._handlers = self._handlers  # noqa: SLF001  # its twin
        client._producing.handlers = self._handlers  # noqa: SLF001  # its twin
        client._declarations = self._declarations  # noqa: SLF001  # its twin
        return client

    def run_worker(
        self,
        queues: Iterable[QueueChoice],
        *,
        timeout_ms: int = SHUTDOWN_TIMEOUT_MS,
        **options: Unpack[WorkerOptions],
    ) -> bool:
        """Run a worker in this thread, the main one, until SIGTERM or SIGINT; see `awa worker`.

        Answers whether a second signal cut it short. Raises as `AsyncClient.start`.
        """

        async def run() -> bool:
            async with self.asynchronous() as client:
                return await work(client, queues, timeout_ms=timeout_ms, **options)

        return run_here(run, "run_worker")

    def _make_lanes(self, conn: psycopg.Connection[Any], lanes: Iterable[Lane]) -> None:
        for lane, call in self._producing.missing_lanes(lanes):
            run_sync(conn, call)
            self._producing.made(lane)

    def storage_status(self) -> dict[str, Any]:
        """As `AsyncClient.storage_status`."""
        return self._run(storage_status(schema=self.schema))

    def _follow(self, steps: Steps[T]) -> T:
        return drive_sync(steps, self._run, time.sleep)

    def _run(self, call: Call[T]) -> T:
        with self._connection() as conn:
            return run_sync(conn, call)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._turn:
            if self._conn is None or self._conn.closed:
                self._conn = self._connect()
            yield self._conn

    def _connect(self) -> psycopg.Connection[Any]:
        if self._server is None:
            self._conninfo, self._server = self._target.open()
        try:
            return prepare_nothing_in_pools(psycopg.connect(self._conninfo, autocommit=True))
        except psycopg.OperationalError as error:
            raise not_connected(self._conninfo, str(error)) from error
