"""One life of a worker under one number: from `worker_start` to `worker_stop`, or to `gone`."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from awa._core.ranges import EMPTY
from awa._runtime import overstaying, stalls
from awa._runtime.ending import Endings
from awa._runtime.hands import Hands
from awa._runtime.heartbeat import WHOLE_LOOK_BEATS, Heart
from awa._runtime.hooks import NOBODY
from awa._runtime.leading import Leader
from awa._runtime.limits import (
    FIRST_BEAT_MAX_S,
    LAST_CLAIM_S,
    LAST_FLUSH_S,
    LAST_WORDS_S,
    PATROL_INTERVAL_S,
    PREFETCH_WAIT_MAX_S,
    THREAD_GRACE_S,
)
from awa._runtime.listening import Listener
from awa._runtime.overriding import Overriding
from awa._runtime.parts import PLAIN, Given, Parts
from awa._runtime.reconnecting import ANSWERS
from awa._runtime.signals import Signal
from awa._runtime.stalls import Stall
from awa._runtime.unknown import tell_unknown
from awa._runtime.watchdog import Watchdog
from awa.errors import UnknownWorker

_log: Final = logging.getLogger("awa.worker")

# The last beat takes a full look.
LAST_BEAT: Final = WHOLE_LOOK_BEATS * 2**40


class Incarnation:
    """See the module. What a worker knows dies with it, but its statistics and its rates."""

    def __init__(self, given: Given, parts: Parts = PLAIN) -> None:
        self._given: Final = given
        self._sessions: Final = given.sessions()
        self._deadline_changed: Final = Signal()
        self._deadline_s = float("inf")
        self._flush_s = LAST_FLUSH_S
        self._claiming: trio.CancelScope | None = None
        self._running: trio.CancelScope | None = None
        self._settling: trio.CancelScope | None = None
        self._ended: Final = Signal()
        self.gone = False
        self.hands: Final = Hands(given, self._sessions, parts)
        self.listener: Final = self._make_listener()
        self.hands.flags.listener = self.listener
        self._overriding: Final = self._make_overriding()
        self.heart: Final = self._make_heart(parts)
        self.watchdog: Final = Watchdog(self._stalls, loop_lag_s=given.settings.loop_lag_s)
        self.leader: Final = self._make_leader() if given.routes.leads(given.settings) else None
        """What leads for it; None where it may not."""

    def _make_listener(self) -> Listener:
        return Listener(
            self._sessions.of("listen", pings=True, listens=not self.poll_only),
            schema=self._given.settings.schema,
            on_heard=self.hands.claimer.heard,
            on_leader=self._leader_told,
            on_ended=self._told_of_an_end,
            on_up=self._listener_up,
            on_down=self._listener_down,
        )

    def _make_overriding(self) -> Overriding:
        return Overriding(
            listener=self.listener,
            storage=self._given.storage,
            queues=[*self.hands.permits],
            hears=not self.poll_only,
            then=self.hands.claimer.override,
        )

    def _make_heart(self, parts: Parts) -> Heart:
        return parts.heart(
            worker=self._given.worker,
            storage=self._given.storage,
            listener=self.listener,
            ledger=self.hands.ledger,
            clock=self.hands.clock,
            statistics=self._given.statistics,
            on_beat=self._beaten,
            interval_s=self._given.settings.heartbeat_s,
        )

    def _make_leader(self) -> Leader:
        return Leader(
            settings=self._given.settings,
            storage=self._given.storage,
            session=self._sessions.of("lead", pings=True),
            upkeep=self._sessions.of("upkeep"),
            listener=self.listener,
            clock=self.hands.clock,
            audience=self._given.equipment.hooks or NOBODY,
            is_blind=self.heart.is_refused,
        )

    async def run(self) -> None:
        """Live until stopped or gone."""
        async with trio.open_nursery() as services:
            services.start_soon(self.listener.run)
            services.start_soon(self._beat)
            services.start_soon(self.watchdog.run)
            services.start_soon(self.hands.notes.run)
            if self.leader is not None:
                services.start_soon(self.leader.run)
            services.start_soon(self._watch_deadline)
            services.start_soon(self._patrol)
            services.start_soon(
                tell_unknown,
                self._given.worker,
                self._given.storage,
                self.listener,
                self._given.statistics.unknown,
            )
            services.start_soon(self._endings().run)
            services.start_soon(self._overriding.run)
            async with trio.open_nursery() as settling:
                settling.start_soon(self.hands.settler.run)
                await self._work()
                self.hands.settler.close()
                self._settling = settling.cancel_scope
                self._settling.deadline = self._last_flush_s()
            self._settling = None
            self.hands.reporter.close(trio.current_time())
            # The ledger also knows the batch whose answer did not come in time.
            if left := self.hands.ledger.jobs():
                _log.error(
                    "%d outcomes could not be settled in time; their jobs may run again", left
                )
            self.hands.desk.close()
            await self._leave()
            services.cancel_scope.cancel()

    def _stalls(self) -> list[Stall]:
        return stalls.of_worker(
            self._given.settings,
            sessions=(*self.hands.claims, self.hands.settles),
            queues=self.hands.queues.values(),
            beat_s=self.heart.beat_s,
            trouble=self.heart.trouble or self.listener.trouble,
        )

    @property
    def poll_only(self) -> bool:
        """Whether this worker is never woken: no session of its lasts."""
        return self._given.routes.poll_only

    def has_nothing(self) -> bool:
        """Whether no job is in hand and no outcome waits."""
        return self.hands.ledger.is_clear()

    async def finds_nothing(self) -> bool:
        """Ask for every queue once more; whether none had anything, and nothing came meanwhile."""
        return self.has_nothing() and await self.hands.claimer.finds_nothing()

    @property
    def leads(self) -> bool:
        """Whether this worker is the leader now."""
        return self.leader is not None and self.leader.leads

    def stop(self, *, deadline_s: float, flush_s: float) -> None:
        """Claim no more; at that time of trio's clock cancel what still runs."""
        self._deadline_s = deadline_s
        self._flush_s = flush_s
        self._deadline_changed.set()
        self.hands.claimer.stop()
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
            self.hands.start(running)
            try:
                async with trio.open_nursery() as claiming:
                    self._claiming = claiming.cancel_scope
                    for loop in self.hands.claimer.loops:
                        claiming.start_soon(self._claim, loop)
            finally:
                # Also when the time was up before the last claim was answered.
                self.hands.rest()

    async def _claim(self, loop: Callable[[], Awaitable[None]]) -> None:
        # From the first beat on its death shows soon: a lock is missed that was held. But without a
        # listener, for once, it works as well.
        with trio.move_on_after(FIRST_BEAT_MAX_S):
            await self.heart.begun.wait()
        try:
            await loop()
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
        for queue in self.hands.queues.values():
            queue.close()
            queue.tell_cancelled()
            queue.threads.abandon_at(trio.current_time() + THREAD_GRACE_S)
        if self._claiming is not None:
            # Cut off from its reply, a claim may still happen, and what it took would be a loss.
            # stop() says for how long the reply is waited for.
            self._claiming.shield = True
        if self._running is not None:
            self._running.cancel()
        await overstaying.watch(
            self.hands.queues.values(),
            self.hands.ledger,
            grace_s=self._given.settings.grace_s,
            flush_s=self._flush_s,
            on_stay=self._given.on_stay,
        )

    async def _patrol(self) -> None:
        """Tell attempts that are over; give back jobs that turned out to wait behind long ones."""
        while True:
            await trio.sleep(PATROL_INTERVAL_S)
            now_s = trio.current_time()
            late_s = now_s - PREFETCH_WAIT_MAX_S
            self.hands.reporter.look(now_s)
            for queue in self.hands.queues.values():
                queue.patrol()
                if queue.waiting and queue.waiting[0][0].taken_s < late_s:
                    queue.give_back_waiting()

    async def _leave(self) -> None:
        """Name no call as open any more, and take leave."""
        session = self._sessions.of("leave")
        with trio.move_on_after(min(LAST_WORDS_S, self._flush_s)):
            try:
                beat = self._given.storage.heartbeat(
                    self._given.worker,
                    beat=LAST_BEAT,
                    upto=self.hands.ledger.last_call,
                    open_calls=EMPTY,
                )
                await session.ask(beat)
                await session.ask(self._given.storage.worker_stop(self._given.worker))
            except ANSWERS as error:
                # It ends all the same; what it left open is looked for by the leader.
                _log.warning("the database did not take leave of this worker: %s", error)
            finally:
                await session.aclose()

    def _endings(self) -> Endings:
        return Endings(
            worker=self._given.worker,
            storage=self._given.storage,
            listener=self.listener,
            ledger=self.hands.ledger,
            queues=self.hands.queues,
            told=self._ended,
        )

    def _listener_up(self) -> None:
        if not self.poll_only:
            self.hands.claimer.listener_up()
        # What was notified meanwhile was not heard.
        self._leader_told()
        self._ended.set()
        self._overriding.told()

    def _beaten(self) -> None:
        self._ended.set()
        self._overriding.beat()

    def _listener_down(self) -> None:
        self.hands.claimer.listener_down()
        self._leader_told()

    def _leader_told(self) -> None:
        if self.leader is not None:
            self.leader.told()

    def _told_of_an_end(self, worker: str) -> None:
        if worker == str(self._given.worker):
            self._ended.set()
        elif not worker:
            self._overriding.told()
