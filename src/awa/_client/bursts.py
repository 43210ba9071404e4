"""Workers that end by themselves: when nothing is left, or when the time is up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final, Unpack

import psycopg
import trio

from awa._client.administering import AsyncAdministering
from awa._client.blocking import run_here
from awa._client.health import ANSWER_MIN_S
from awa._client.holding import SHUTDOWN_TIMEOUT_MS, HoldsWorker
from awa._client.queues import QueueConfig
from awa._core.options import checked_duration_s, checked_int
from awa._runtime.draining import Burst, Drain
from awa._storage.backlog import Backlog, backlog, due_in_s
from awa.errors import AwaError, ConfigurationError, InvalidInput, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from awa._client.queues import QueueChoice
    from awa._client.worker_options import WorkerOptions
    from awa._runtime.health import WorkerHealth
    from awa._runtime.settings import WorkerSettings
    from awa.client import AsyncClient

MAX_WORKERS_DEFAULT: Final = 10
"""Handlers of one queue that may run at once, where nothing says it."""

TICK_BUDGET_S: Final = 20.0
TICK_TIMEOUT_MS: Final = 5000
JOBS_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """What came of a worker that ended by itself. Its counts are those of `WorkerHealth`."""

    drained: bool
    """Whether it ended because nothing was left; else the time was up, or it was stopped."""
    led: bool
    """Whether it led meanwhile: promoted, rescued and retired for all."""
    took_s: float
    claimed: int
    completed: int
    retried: int
    snoozed: int
    cancelled: int
    released: int
    failed: int
    dead_lettered: int
    failures: int
    available: int | None
    """Jobs of its queues that wait to be claimed; None when the database did not say."""
    deferred: int | None
    """... that are scheduled or retryable."""
    due_in_s: float | None
    """In how many seconds the first of these is due; None when there is none."""
    unknown_kinds: tuple[str, ...]
    """Kinds that were claimed and have no handler: no capable worker."""


class AsyncBursts(HoldsWorker, AsyncAdministering):
    """What the asynchronous client does in bursts; under trio."""

    async def run_until_drained(
        self,
        queues: Iterable[QueueChoice] | None = None,
        *,
        timeout_s: float | None = None,
        due_within_s: float = 0.0,
        max_jobs: int | None = None,
        timeout_ms: int = SHUTDOWN_TIMEOUT_MS,
        **options: Unpack[WorkerOptions],
    ) -> WorkDone:
        """Work until nothing of these queues is left, and say what was done.

        Nothing is left when nothing is available, nothing of this worker's own runs, and nothing
        deferred is due, or will be within `due_within_s`: so retries and schedules can be waited
        for. `queues`: as for `start`; by default those of the handlers, ten handlers each.
        It ends sooner after `timeout_s`, or after `max_jobs` attempts; running handlers then have
        `timeout_ms`, as in `shutdown`. Raises as `start`, and ServerUnreachable after `timeout_s`.
        """
        burst = burst_of(timeout_s=timeout_s, due_within_s=due_within_s, max_jobs=max_jobs)
        return await self._work_in(burst, queues, options, timeout_ms=timeout_ms)

    async def tick(
        self,
        queues: Iterable[QueueChoice] | None = None,
        *,
        budget_s: float = TICK_BUDGET_S,
        timeout_ms: int = TICK_TIMEOUT_MS,
        **options: Unpack[WorkerOptions],
    ) -> WorkDone:
        """Do what there is to do within `budget_s`: for a program that a clock starts.

        It leads if nobody else does, so what is due is promoted, what is lost is rescued and the
        ring turns; and it runs jobs until nothing is left. When the budget is used up, nothing is
        claimed any more and running handlers have `timeout_ms`; what came of them is stored after
        that. A worker that was killed is known to be lost after 3 s without its connections; a
        budget beyond that waits for it.
        `queues` and errors as for `run_until_drained`.
        """
        return await self._work_in(burst_of_tick(budget_s), queues, options, timeout_ms=timeout_ms)

    def _queues_of_handlers(self, options: WorkerOptions) -> list[QueueConfig]:
        names = self.handled_queues()
        if not names:
            raise ConfigurationError("the client has no handlers: register one, or name queues")
        shares = options.get("global_max_workers") is not None
        own = None if shares else MAX_WORKERS_DEFAULT
        return [QueueConfig(name=name, max_workers=own) for name in names]

    async def _work_in(
        self,
        burst: Burst,
        queues: Iterable[QueueChoice] | None,
        options: WorkerOptions,
        *,
        timeout_ms: int,
        started: Callable[[], Awaitable[None]] | None = None,
    ) -> WorkDone:
        self._require_trio()
        if options.get("maintenance_only"):
            raise InvalidInput("maintenance_only", "never drains: such a worker has no queue")
        chosen = self._queues_of_handlers(options) if queues is None else queues
        settings = self._settings(chosen, options, timeout_ms=timeout_ms)
        settings = replace(settings, hurries=True, jobs_max=burst.jobs_max)
        began_s = trio.current_time()
        drain: Drain | None = None
        drained = False
        try:
            with trio.move_on_after(burst.timeout_s):
                await self._start(settings)
                if started is not None and self.is_working():
                    await started()
                drain = self._drain(burst, settings)
                drained = await drain.run()
        finally:
            # Also when somebody else cancelled it: a burst leaves no worker.
            self.stop(timeout_ms=timeout_ms)
        if self._worker is None:
            raise ServerUnreachable(f"the database did not answer within {burst.timeout_s:g} s")
        await self.stopped()
        left = await self._backlog(settings)
        took_s = trio.current_time() - began_s
        led = drain is not None and drain.led
        return _done(self._worker.health(), left, drained=drained, led=led, took_s=took_s)

    def _drain(self, burst: Burst, settings: WorkerSettings) -> Drain:
        assert self._worker is not None
        names = [name for name, _ in settings.queues]
        return Drain(
            self._worker,
            burst,
            due_in_s=lambda within_s: self._run(due_in_s(names, within_s, schema=self.schema)),
            promote=lambda: self._run(self._storage.promote()),
        )

    async def _backlog(self, settings: WorkerSettings) -> Backlog | None:
        names = [name for name, _ in settings.queues]
        try:
            return await self._run(backlog(names, schema=self.schema))
        except (AwaError, psycopg.Error, OSError):
            return None  # what was done is known all the same


class Bursts:
    """What the synchronous client does in bursts, in the calling thread; see `AsyncClient`."""

    def asynchronous(self) -> AsyncClient:
        """An asynchronous client of the same database, schema and handlers."""
        raise NotImplementedError

    def run_until_drained(
        self,
        queues: Iterable[QueueChoice] | None = None,
        *,
        timeout_s: float | None = None,
        due_within_s: float = 0.0,
        max_jobs: int | None = None,
        timeout_ms: int = SHUTDOWN_TIMEOUT_MS,
        **options: Unpack[WorkerOptions],
    ) -> WorkDone:
        """As `AsyncClient.run_until_drained`."""

        async def run() -> WorkDone:
            async with self.asynchronous() as client:
                return await client.run_until_drained(
                    queues,
                    timeout_s=timeout_s,
                    due_within_s=due_within_s,
                    max_jobs=max_jobs,
                    timeout_ms=timeout_ms,
                    **options,
                )

        return run_here(run, "run_until_drained")

    def tick(
        self,
        queues: Iterable[QueueChoice] | None = None,
        *,
        budget_s: float = TICK_BUDGET_S,
        timeout_ms: int = TICK_TIMEOUT_MS,
        **options: Unpack[WorkerOptions],
    ) -> WorkDone:
        """As `AsyncClient.tick`."""

        async def run() -> WorkDone:
            async with self.asynchronous() as client:
                return await client.tick(
                    queues, budget_s=budget_s, timeout_ms=timeout_ms, **options
                )

        return run_here(run, "tick")


def burst_of(*, timeout_s: float | None, due_within_s: float, max_jobs: int | None) -> Burst:
    """How far to go, checked. Raises InvalidInput."""
    return Burst(
        timeout_s=inf
        if timeout_s is None
        else checked_duration_s("timeout_s", timeout_s, low_s=ANSWER_MIN_S),
        due_within_s=checked_duration_s("due_within_s", due_within_s),
        jobs_max=None
        if max_jobs is None
        else checked_int("max_jobs", max_jobs, low=1, high=JOBS_MAX),
    )


def burst_of_tick(budget_s: float) -> Burst:
    """How far a tick goes, checked. Raises InvalidInput."""
    return Burst(
        timeout_s=checked_duration_s("budget_s", budget_s, low_s=ANSWER_MIN_S), rescues=True
    )


def _done(
    health: WorkerHealth, left: Backlog | None, *, drained: bool, led: bool, took_s: float
) -> WorkDone:
    return WorkDone(
        drained=drained,
        led=led,
        took_s=took_s,
        claimed=health.claimed,
        completed=health.completed,
        retried=health.retried,
        snoozed=health.snoozed,
        cancelled=health.cancelled,
        released=health.released,
        failed=health.failed,
        dead_lettered=health.dead_lettered,
        failures=health.failures,
        available=None if left is None else left.available,
        deferred=None if left is None else left.deferred,
        due_in_s=None if left is None else left.due_in_s,
        unknown_kinds=health.unknown_kinds,
    )
