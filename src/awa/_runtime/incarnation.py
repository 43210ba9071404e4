"""One life of a worker under one number: from `worker_start` to `worker_stop`, or to `gone`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from awa._core.ranges import EMPTY
from awa._runtime import stalls
from awa._runtime.claiming import Claimer
from awa._runtime.clock import ServerClock
from awa._runtime.ending import Endings
from awa._runtime.equipment import Equipment
from awa._runtime.heartbeat import WHOLE_LOOK_BEATS, Heart
from awa._runtime.leading import Leader
from awa._runtime.ledger import Ledger
from awa._runtime.limits import (
    LAST_CLAIM_S,
    LAST_FLUSH_S,
    LAST_WORDS_S,
    PATROL_INTERVAL_S,
    PREFETCH_WAIT_MAX_S,
    THREAD_GRACE_S,
)
from awa._runtime.listening import Listener
from awa._runtime.noting import Notes
from awa._runtime.overriding import Overriding
from awa._runtime.own_transactions import OwnTransactions, Transact
from awa._runtime.permits import Permits
from awa._runtime.reconnecting import ANSWERS
from awa._runtime.reporting import Reporter
from awa._runtime.routes import Routes
from awa._runtime.running import QueueRun
from awa._runtime.sessions import Sessions
from awa._runtime.settings import WorkerSettings
from awa._runtime.settling import Settler
from awa._runtime.signals import Signal
from awa._runtime.sleeping import Sleeping
from awa._runtime.stalls import Stall
from awa._runtime.statistics import Statistics
from awa._runtime.tuning import Tuner
from awa._runtime.unknown import tell_unknown
from awa._runtime.watchdog import Watchdog
from awa._storage.functions import Storage
from awa.errors import UnknownWorker

_log: Final = logging.getLogger("awa.worker")

# The last beat takes a full look.
LAST_BEAT: Final = WHOLE_LOOK_BEATS * 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an incarnation is made of; one that is watched is made of others."""

    settler: Callable[..., Settler] = Settler
    reporter: Callable[..., Reporter] = Reporter
    claimer: Callable[..., Claimer] = Claimer
    heart: Callable[..., Heart] = Heart
    queue_run: Callable[..., QueueRun] = QueueRun
    desk: Callable[..., OwnTransactions] = OwnTransactions


class Incarnation:
    """See the module. Everything a worker knows dies with it, but its statistics."""

    def __init__(
        self,
        *,
        worker: int,
        routes: Routes,
        settings: WorkerSettings,
        storage: Storage,
        equipment: Equipment,
        statistics: Statistics,
        transact: Transact | None = None,
        parts: Parts = Parts(),  # a frozen value
    ) -> None:
        self._worker = worker
        self._routes = routes
        self._sessions = Sessions(worker=worker, routes=routes, settings=settings, storage=storage)
        self._queue_run = parts.queue_run
        self._settings = settings
        self._storage = storage
        self._equipment = equipment
        self._statistics = statistics
        self._ledger = Ledger()
        self._clock = ServerClock()
        self._changed = Signal()
        self._deadline_changed = Signal()
        self._deadline_s = float("inf")
        self._flush_s = LAST_FLUSH_S
        self._claiming: trio.CancelScope | None = None
        self._running: trio.CancelScope | None = None
        self._settling: trio.CancelScope | None = None
        self._permits = {name: Permits(workers=0) for name, _ in settings.queues}
        self._tuner = Tuner(settings, self._permits)
        self.gone = False
        # Nothing in a claim is a user's: whatever else is said of it, it is asked again.
        self.claims: Final = self._sessions.of("claim", final=(UnknownWorker,))
        self.settles: Final = self._sessions.of("settle")
        self.queues: Final[dict[str, QueueRun]] = {}
        self.notes: Final = Notes(worker=worker, storage=storage, session=self._sessions.of("note"))
        self.settler: Final = parts.settler(
            worker=worker,
            storage=storage,
            session=self.settles,
            notes=self.notes,
            ledger=self._ledger,
            permits=self._permits,
            statistics=statistics,
            changed=self._changed,
            hooks=equipment.hooks,
        )
        self.desk: Final = parts.desk(
            worker=worker,
            storage=storage,
            conninfo=routes.work.conninfo,
            settings=settings,
            transact=transact,
            notes=self.notes,
        )
        self.reporter: Final = parts.reporter(self.settler, statistics)
        self._claimer = parts.claimer(
            worker=worker,
            storage=storage,
            session=self.claims,
            ledger=self._ledger,
            queues=self.queues,
            settler=self.settler,
            clock=self._clock,
            sleeping=Sleeping.of(self._permits, poll_s=settings.poll_s),
            tuner=self._tuner,
            statistics=statistics,
            changed=self._changed,
            jobs_max=settings.jobs_max,
        )
        self._ended = Signal()
        self._leader: Leader | None = None
        self.listener: Final = Listener(
            self._sessions.of("listen", pings=True, listens=not self.poll_only),
            schema=settings.schema,
            on_heard=self._claimer.heard,
            on_leader=self._leader_told,
            on_ended=self._told_of_an_end,
            on_up=self._listener_up,
            on_down=self._listener_down,
        )
        self._claimer.listener = self.listener
        self._overriding = Overriding(
            listener=self.listener,
            storage=storage,
            queues=[*self._permits],
            hears=not self.poll_only,
            then=self._claimer.override,
        )
        self.heart: Final = parts.heart(
            worker=worker,
            storage=storage,
            listener=self.listener,
            ledger=self._ledger,
            clock=self._clock,
            statistics=statistics,
            on_beat=self._beaten,
            interval_s=settings.heartbeat_s,
        )
        self.watchdog: Final = Watchdog(self._stalls, loop_lag_s=settings.loop_lag_s)
        if routes.leads(settings):
            self._leader = Leader(
                settings=settings,
                storage=storage,
                session=self._sessions.of("lead", pings=True),
                upkeep=self._sessions.of("upkeep"),
                listener=self.listener,
                clock=self._clock,
                is_blind=self.heart.is_refused,
            )

    async def run(self) -> None:
        """Live until stopped or gone."""
        async with trio.open_nursery() as services:
            services.start_soon(self.listener.run)
            services.start_soon(self._beat)
            services.start_soon(self.watchdog.run)
            services.start_soon(self.notes.run)
            if self._leader is not None:
                services.start_soon(self._leader.run)
            services.start_soon(self._watch_deadline)
            services.start_soon(self._patrol)
            services.start_soon(
                tell_unknown, self._worker, self._storage, self.listener, self._statistics.unknown
            )
            services.start_soon(self._endings().run)
            services.start_soon(self._overriding.run)
            async with trio.open_nursery() as settling:
                settling.start_soon(self.settler.run)
                await self._work()
                self.settler.close()
                self._settling = settling.cancel_scope
                self._settling.deadline = self._last_flush_s()
            self._settling = None
            self.reporter.close(trio.current_time())
            # The ledger also knows the batch whose answer did not come in time.
            if left := self._ledger.jobs():
                _log.error(
                    "%d outcomes could not be settled in time; their jobs may run again", left
                )
            self.desk.close()
            await self._leave()
            services.cancel_scope.cancel()

    def _stalls(self) -> list[Stall]:
        return stalls.of_worker(
            self._settings,
            sessions=(self.claims, self.settles),
            queues=self.queues.values(),
            beat_s=self.heart.beat_s,
            trouble=self.heart.trouble or self.listener.trouble,
        )

    @property
    def poll_only(self) -> bool:
        """Whether this worker is never woken: no session of its lasts."""
        return self._routes.poll_only

    def has_nothing(self) -> bool:
        """Whether no job is in hand and no outcome waits."""
        return self._ledger.is_clear()

    async def finds_nothing(self) -> bool:
        """Ask for every queue once more; whether none had anything, and nothing came meanwhile."""
        return self.has_nothing() and await self._claimer.finds_nothing()

    @property
    def leader(self) -> Leader | None:
        """What leads for it; None where it may not."""
        return self._leader

    @property
    def leads(self) -> bool:
        """Whether this worker is the leader now."""
        return self._leader is not None and self._leader.leads

    def stop(self, *, deadline_s: float, flush_s: float) -> None:
        """Claim no more; at that time of trio's clock cancel what still runs."""
        self._deadline_s = deadline_s
        self._flush_s = flush_s
        self._deadline_changed.set()
        self._claimer.stop()
        if self._settling is not None:
            self._settling.deadline = min(self._settling.deadline, self._last_flush_s())
        if self._claiming is not None:
            last_s = trio.current_time() + min(LAST_CLAIM_S, flush_s)
            self._claiming.deadline = min(self._claiming.deadline, last_s)

    def _last_flush_s(self) -> float:
        """What handlers did not need of the time to shut down is there for their outcomes."""
        return max(trio.current_time() + self._flush_s, self._deadline_s)

    async def _work(self) -> None:
        async with trio.open_nursery() as running:
            self._running = running.cancel_scope
            for name, permits in self._permits.items():
                self.queues[name] = self._queue_run(
                    name=name,
                    permits=permits,
                    equipment=self._equipment,
                    desk=self.desk,
                    settler=self.settler,
                    reporter=self.reporter,
                    nursery=running,
                    grace_s=self._settings.grace_s,
                )
            try:
                async with trio.open_nursery() as claiming:
                    self._claiming = claiming.cancel_scope
                    await self._claim()
                    claiming.cancel_scope.cancel()
            finally:
                # Also when the time was up before the last claim was answered.
                self._claimer.rest()
                for queue in self.queues.values():
                    queue.close()

    async def _claim(self) -> None:
        try:
            await self._claimer.run()
        except UnknownWorker:
            self._is_gone()

    async def _beat(self) -> None:
        await self.heart.run()
        self._is_gone()

    def _is_gone(self) -> None:
        # All its attempts belong to others by now, or soon will.
        self.gone = True
        self.stop(deadline_s=trio.current_time(), flush_s=self._flush_s)

    async def _watch_deadline(self) -> None:
        while trio.current_time() < self._deadline_s:
            await self._deadline_changed.wait(until_s=self._deadline_s)
        for queue in self.queues.values():
            queue.close()
            queue.tell_cancelled()
            queue.threads.abandon_at(trio.current_time() + THREAD_GRACE_S)
        if self._claiming is not None:
            # Cut off from its reply, a claim may still happen, and what it took would be a loss.
            # stop() says for how long the reply is waited for.
            self._claiming.shield = True
        if self._running is not None:
            self._running.cancel()

    async def _patrol(self) -> None:
        """Tell attempts that are over; give back jobs that turned out to wait behind long ones."""
        while True:
            await trio.sleep(PATROL_INTERVAL_S)
            now_s = trio.current_time()
            late_s = now_s - PREFETCH_WAIT_MAX_S
            self.reporter.look(now_s)
            for queue in self.queues.values():
                queue.patrol()
                if queue.waiting and queue.waiting[0][0].taken_s < late_s:
                    queue.give_back_waiting()

    async def _leave(self) -> None:
        """Name no call as open any more, and take leave."""
        session = self._sessions.of("leave")
        with trio.move_on_after(min(LAST_WORDS_S, self._flush_s)):
            try:
                beat = self._storage.heartbeat(
                    self._worker, beat=LAST_BEAT, upto=self._ledger.last_call, open_calls=EMPTY
                )
                await session.ask(beat)
                await session.ask(self._storage.worker_stop(self._worker))
            except ANSWERS as error:
                # It ends all the same; what it left open is looked for by the leader.
                _log.warning("the database did not take leave of this worker: %s", error)
            finally:
                await session.aclose()

    def _endings(self) -> Endings:
        return Endings(
            worker=self._worker,
            storage=self._storage,
            listener=self.listener,
            ledger=self._ledger,
            queues=self.queues,
            told=self._ended,
        )

    def _listener_up(self) -> None:
        if not self.poll_only:
            self._claimer.listener_up()
        # What was notified meanwhile was not heard.
        self._leader_told()
        self._ended.set()
        self._overriding.told()

    def _beaten(self) -> None:
        self._ended.set()
        self._overriding.beat()

    def _listener_down(self) -> None:
        self._claimer.listener_down()
        self._leader_told()

    def _leader_told(self) -> None:
        if self._leader is not None:
            self._leader.told()

    def _told_of_an_end(self, worker: str) -> None:
        if worker == str(self._worker):
            self._ended.set()
        elif not worker:
            self._overriding.told()
