"""One worker process, as nested nurseries; the nesting is the order of its shutdown.

::

    services      listener, heartbeat
      settling    outcomes become durable
        running   handlers
          claiming

An inner block ends before its outer one: claiming stops, handlers finish (or are cancelled when
the time is up), what did not finish is released, everything is flushed, the worker takes its
leave, and only then the services stop that kept its attempts alive meanwhile.

A worker whose row is gone was presumed dead: it cancels what it runs and starts anew, under a
new number. What it was running has been given to others.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import ModuleType
from typing import Final, TypeAlias

import trio

from awa._runtime.connections import require_connections, warn_of_connections
from awa._runtime.equipment import Equipment, equip
from awa._runtime.events import Tell
from awa._runtime.handlers import Handlers
from awa._runtime.health import WorkerHealth
from awa._runtime.incarnation import Incarnation
from awa._runtime.limits import LAST_FLUSH_S, LAST_WORDS_S
from awa._runtime.overstaying import Overstayers
from awa._runtime.own_transactions import Transact
from awa._runtime.parts import Given
from awa._runtime.reconnecting import ANSWERS, Session
from awa._runtime.routes import Route, Routes, warn_of_poolers
from awa._runtime.settings import WorkerSettings
from awa._runtime.statistics import Statistics
from awa._runtime.tuning import Tuner
from awa._runtime.watched import WatchedIncarnation
from awa._storage.condition import Allowance, allowances
from awa._storage.functions import Storage
from awa._storage.install import require_version
from awa._storage.tokens import draw_token
from awa.errors import (
    AccessDenied,
    ConfigurationError,
    SchemaMissing,
    SchemaNewer,
    SchemaOlder,
    ServerRefused,
)

_log: Final = logging.getLogger("awa.worker")

Exit: TypeAlias = Callable[[], None]
"""End the process at once, whatever runs in it; given by whoever owns it."""

_FATAL_AT_START: Final = (
    *ANSWERS,
    AccessDenied,
    ConfigurationError,
    SchemaMissing,
    SchemaNewer,
    SchemaOlder,
    ServerRefused,
)
"""What waiting does not cure. An unreachable server is waited for."""


class Worker:
    """Claims, runs and settles jobs until it is stopped.

    Made by `AsyncClient.start`. `run` is its whole life; `stop` and `abort` may be called from any
    task of the same loop.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        handlers: Handlers,
        *,
        transact: Transact | None = None,
        tell: Tell | None = None,
        exit_now: Exit | None = None,
    ) -> None:
        """`transact` makes handlers' own transactions; `tell` hears what the worker does.

        `exit_now`: what to do in the end about handlers that do not end; None waits for them.
        """
        self._exit_now = exit_now
        self._told_of_stay = False
        self._incarnate = Incarnation if tell is None else partial(WatchedIncarnation, tell)
        self._settings = settings
        self._handlers = handlers
        self._transact = transact
        self._storage = Storage(settings.schema)
        self._statistics = Statistics()
        self._tuner = Tuner(settings)
        self._incarnation: Incarnation | None = None
        self._deadline_s: float | None = None
        self._flush_s = LAST_FLUSH_S
        self._starting: trio.CancelScope | None = None
        self.ended: Final = trio.Event()
        self.number = 0
        """By which the database knows it; of its last life."""
        self.health_address: tuple[str, int] | None = None
        """Where it answers whether it is well: host and port."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until stopped; `started` once the database knows the worker.

        Raises SchemaMissing, SchemaNewer, SchemaOlder, AccessDenied, ServerRefused and
        ConfigurationError at the start; later trouble with the database is waited out.
        """
        try:
            equipped = equip(
                self._handlers,
                self._statistics,
                grace_s=self._settings.grace_s,
                until_s=self._last_words_s,
            )
            async with self._answering(), equipped as equipment:
                await self._lives(equipment, task_status)
        finally:
            self.ended.set()

    async def _lives(self, equipment: Equipment, task_status: trio.TaskStatus[None]) -> None:
        first = True
        while self._deadline_s is None:
            worker = self.number = draw_token()
            routes: Routes | None = None
            with trio.CancelScope() as self._starting:
                routes = await self._start(worker, first=first)
            self._starting = None
            if routes is None or self._stopping():
                break
            if first:
                task_status.started()
                first = False
            await self._live(worker, routes, equipment)
        if first:
            # Stopped before it was known: whoever waits for the start learns of the end.
            task_status.started()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Answer at the health port, if there shall be one, from the first attempt to start on."""
        settings = self._settings
        if settings.health_port is None:
            yield
            return
        probing, serving = _port_modules()
        listeners = await serving.open_port(settings.health_host, settings.health_port)
        self.health_address = serving.address_of(listeners)
        _log.info("health is told at http://%s:%d/healthz and /readyz", *self.health_address)
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                serving.serve, listeners, lambda path: probing.answer_to(path, self.health())
            )
            try:
                yield
            except Exception as error:  # noqa: BLE001  # raised below, not wrapped in a group
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def stop(self, *, timeout_s: float) -> None:
        """Claim no more, let handlers finish for so long, then cancel and release them.

        Said again it may hurry the worker, and gives nobody more time.
        """
        assert timeout_s >= 0
        deadline_s = trio.current_time() + timeout_s
        if self._deadline_s is not None:
            deadline_s = min(deadline_s, self._deadline_s)
        self._deadline_s = deadline_s
        if self._starting is not None:
            self._starting.cancel()
        if self._incarnation is not None:
            self._incarnation.stop(deadline_s=self._deadline_s, flush_s=self._flush_s)

    def abort(self) -> None:
        """Cancel handlers now, and give the last flush one second."""
        self._flush_s = 1.0
        self.stop(timeout_s=0.0)

    def health(self) -> WorkerHealth:
        """What the worker is doing now."""
        return WorkerHealth.of(
            self._incarnation,
            self._statistics,
            role=self._settings.role,
            stopping=self._stopping(),
        )

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping()

    @property
    def claimed(self) -> int:
        """Jobs claimed since its start."""
        return self._statistics.claimed

    @property
    def life(self) -> Incarnation | None:
        """What it is just now; None between two lives, before the first and after the last."""
        return self._incarnation

    def _stopping(self) -> bool:
        return self._deadline_s is not None

    async def _start(self, worker: int, *, first: bool) -> Routes:
        session = self._start_session(self._settings.conninfo)
        try:
            while True:
                try:
                    return await self._introduce(session, worker, first=first)
                except _FATAL_AT_START as error:
                    if first:
                        raise
                    # It has worked before: what would have ended its start is waited out now.
                    await session.had_trouble("worker_start", error)
        finally:
            await session.aclose()

    def _start_session(self, conninfo: str) -> Session:
        return Session(
            name="start",
            conninfo=conninfo,
            settings=self._settings.session_settings(),
            final=_FATAL_AT_START,
        )

    async def _introduce(self, session: Session, worker: int, *, first: bool) -> Routes:
        found = await session.ask(self._storage.schema_version())
        require_version(found, self._settings.schema)
        routes = await self._routes(session)
        if first:
            warn_of_poolers(routes, self._settings)
            allowed = await session.ask(allowances())
            self._look_at(allowed, leads=routes.leads(self._settings))
            routes.require_a_use(self._settings)
        for queue, _ in self._settings.queues:
            await session.ask(self._storage.ensure_lane(queue))
            declared = self._settings.declared.get(queue)
            if declared:
                await session.ask(self._storage.configure_queue(queue, declared))
        kinds = tuple(sorted(self._handlers.by_kind))
        info = self._settings.info(poll_only=routes.poll_only, kinds=kinds)
        self._statistics.unknown.told(())
        await session.ask(self._storage.worker_start(worker, info))
        await session.ask(self._storage.tell_leader())
        return routes

    def _look_at(self, allowed: Sequence[Allowance], *, leads: bool) -> None:
        """Raises ConfigurationError for a limit that no worker can live with."""
        claimers = self._settings.claimers
        require_connections(allowed, lead=leads, claimers=claimers)
        if self._handlers.by_kind and not self._settings.maintenance_only:
            most = self._settings.transaction_connections
            warn_of_connections(allowed, lead=leads, claimers=claimers, transactions=most)

    async def _routes(self, session: Session) -> Routes:
        """Find out where sessions last."""
        work = Route(conninfo=self._settings.conninfo, lasting=await session.lasts())
        if self._settings.direct_conninfo is None:
            return Routes(work=work, direct=work)
        other = self._start_session(self._settings.direct_conninfo)
        try:
            lasting = await other.lasts()
        finally:
            await other.aclose()
        direct = Route(conninfo=self._settings.direct_conninfo, lasting=lasting)
        return Routes(work=work, direct=direct)

    def _last_words_s(self) -> float:
        """Until when hooks may go on: what handlers did not need of the time is theirs."""
        least_s = trio.current_time() + min(LAST_WORDS_S, self._flush_s)
        return max(least_s, self._deadline_s or least_s)

    async def _live(self, worker: int, routes: Routes, equipment: Equipment) -> None:
        if equipment.hooks is not None:
            equipment.hooks.forget()
        incarnation = self._incarnate(
            Given(
                worker=worker,
                routes=routes,
                settings=self._settings,
                storage=self._storage,
                equipment=equipment,
                statistics=self._statistics,
                tuner=self._tuner,
                on_stay=partial(self._on_stay, equipment),
                transact=self._transact,
            )
        )
        self._incarnation = incarnation
        try:
            await incarnation.run()
        finally:
            self._incarnation = None
        if incarnation.gone and not self._stopping():
            _log.error("this worker was presumed dead and removed; it starts anew")

    async def _on_stay(self, equipment: Equipment, staying: Overstayers) -> None:
        """Handlers were cancelled, had their grace, and do not end; all else is settled."""
        if self._exit_now is not None and self._stopping():
            if equipment.hooks is not None:
                await equipment.hooks.drain(self._last_words_s())
            _log.error(
                "ends without %d handlers that do not end though they were cancelled; %d jobs of"
                " theirs are left to be rescued: %s",
                staying.handlers,
                staying.open_jobs,
                staying.text,
                extra={"event": "left_behind", "handlers": staying.handlers},
            )
            self._exit_now()
        elif not self._told_of_stay:
            self._told_of_stay = True
            what = "waits for %d handlers that do not end though they were cancelled: %s"
            _log.error(what, staying.handlers, staying.text)


def _port_modules() -> tuple[ModuleType, ModuleType]:
    # What they need is installed with an extra.
    try:
        from awa._runtime import probing, serving  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the health port needs h11: pip install 'awa-trio[http]'"
        ) from error
    return probing, serving
