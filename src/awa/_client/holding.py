"""The worker that a client may hold under trio: its start, its end, its nursery."""

import logging
from collections.abc import Iterable
from typing import Any, Final, Unpack

import psycopg
import trio

from awa._client.administering import AsyncAdministering
from awa._client.own_transactions import JobTransaction
from awa._client.periodic import Periodic
from awa._client.queues import QueueChoice
from awa._client.worker_options import WorkerOptions, checked_timeout_ms, settings_of
from awa._core.schedules import Declared, PutAnswer
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.limits import RECONNECT_MAX_S, RECONNECT_MIN_S, SHUTDOWN_TIMEOUT_S
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Exit, Worker
from awa._storage.calls import Call
from awa._storage.connecting import Connection
from awa.errors import (
    ConfigurationError,
    OutcomeUnknown,
    ServerBusy,
    ServerRefused,
    ServerUnreachable,
)

_log: Final = logging.getLogger("awa.worker")
SHUTDOWN_TIMEOUT_MS = int(SHUTDOWN_TIMEOUT_S * 1000)
_PASSES: Final = (ServerUnreachable, ServerBusy, OutcomeUnknown, psycopg.OperationalError, OSError)
"""What may happen to a declaration though a worker has just been let in."""


class HoldsWorker(Periodic, AsyncAdministering):
    """The worker's half of a client."""

    def __init__(self, *, direct_conninfo: str | None) -> None:
        super().__init__()
        self._direct_conninfo = direct_conninfo
        self._conninfo = ""
        self._worker: Worker | None = None
        self._nursery: trio.Nursery | None = None
        self._exit_now: Exit | None = None
        self._nursery_manager: Any = None

    @property
    def schema(self) -> str:
        """The schema Awa lives in."""
        raise NotImplementedError

    def _require_open(self) -> None:
        raise NotImplementedError

    def _transact(self, conn: Connection) -> JobTransaction:
        """The surface of a handler's own transaction on this connection."""
        raise NotImplementedError

    async def start(
        self,
        queues: Iterable[QueueChoice],
        **options: Unpack[WorkerOptions],
    ) -> None:
        """Start a worker; returns once the database knows it and the client's schedules.

        It runs until `shutdown`.
        `queues`: pairs of queue and number of handlers that may run at once, or dictionaries with
        `name` and `max_workers`; `options`: see `WorkerOptions`.
        An unreachable server is waited for. Raises InvalidInput, ConfigurationError (no trio, a
        worker runs already, a port in use, fewer connections than a worker needs), SchemaMissing,
        SchemaNewer, SchemaOlder, AccessDenied, ServerRefused.
        """
        await self._start(self._settings(queues, options))

    def _settings(
        self, queues: Iterable[QueueChoice], options: WorkerOptions, *, timeout_ms: int = 0
    ) -> WorkerSettings:
        return settings_of(
            queues,
            options,
            conninfo=self._conninfo,
            direct_conninfo=self._direct_conninfo,
            schema=self.schema,
            timeout_ms=timeout_ms,
        )

    def _require_trio(self) -> trio.Nursery:
        self._require_open()
        if self._nursery is None:
            raise ConfigurationError("a worker runs on trio: start the program with trio.run")
        return self._nursery

    async def _start(self, settings: WorkerSettings) -> None:
        nursery = self._require_trio()
        if self._worker is not None and not self._worker.ended.is_set():
            raise ConfigurationError("this client's worker runs already")
        declaring = self._declaring()
        self._worker = Worker(
            settings, self._handlers, transact=self._transact, exit_now=self._exit_now
        )
        try:
            await nursery.start(self._worker.run)
        except BaseException:
            self._worker = None
            raise
        if not self._declarations.is_empty():
            await self._declare(declaring)

    async def _declare(self, call: Call[tuple[Declared, ...]]) -> None:
        tries = 0
        while self.is_working():
            try:
                answers = await self._run(call)
            except _PASSES as error:
                if isinstance(error, ServerRefused):
                    self.abort()
                    raise
                tries += 1
                _log.warning("the schedules are not declared yet, trying again: %s", error)
                least_s, most_s = RECONNECT_MIN_S, RECONNECT_MAX_S
                gap_s = pause_s(tries=tries, least_s=least_s, most_s=most_s, jitter=jitter())
                await trio.sleep(gap_s)
            except BaseException:
                self.abort()
                raise
            else:
                for one in answers:
                    if one.answer is not PutAnswer.KEPT:
                        _log.info("schedule %s of %s %s", one.name, self.namespace, one.answer)
                return

    async def shutdown(self, *, timeout_ms: int = SHUTDOWN_TIMEOUT_MS) -> None:
        """Stop the worker: claim no more, let handlers finish for `timeout_ms`, then cancel them.

        What did not finish is released, so another worker has it at once. Returns when everything
        is settled; without a worker at once.
        """
        self.stop(timeout_ms=timeout_ms)
        await self.stopped()

    def stop(self, *, timeout_ms: int = SHUTDOWN_TIMEOUT_MS) -> None:
        """Begin what `shutdown` does, and return at once."""
        timeout = checked_timeout_ms(timeout_ms)
        if self._worker is not None:
            self._worker.stop(timeout_s=timeout / 1000)

    def is_working(self) -> bool:
        """Whether a worker was started and not told to stop."""
        return self._worker is not None and self._worker.health().state == "running"

    async def stopped(self) -> None:
        """Return when the worker has ended; without one at once."""
        if self._worker is not None:
            await self._worker.ended.wait()

    def abort(self) -> None:
        """Stop the worker as fast as possible: handlers are cancelled now and released."""
        if self._worker is not None:
            self._worker.abort()

    async def _open_nursery(self) -> None:
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()

    async def _end_worker(self, *, failed: bool) -> None:
        # The nursery is not told of the block's error: it would come out wrapped in a group.
        if self._worker is not None:
            if failed:
                self._worker.abort()
            else:
                self._worker.stop(timeout_s=SHUTDOWN_TIMEOUT_S)
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            # The worker's own error; a block that it cancelled has nothing else to say.
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise
