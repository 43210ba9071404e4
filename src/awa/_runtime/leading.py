"""Leading: one worker of all does what has to be done once, as long as it holds the leader's lock.

::

    follow      look on, until nobody leads
    lead        a session of its own takes the lock; on it go the sweeps that must not wait:
                  rescue     open attempts of lost workers
                  promote    deferred jobs that are due
                  fire       schedules that are due
                and on a second one those that may take their time:
                  strays     open attempts that no worker's row stands for
                  deadlines  attempts that are past theirs
                  turn       the ring: rotate, prune, evacuate
                  retire     ended jobs past their retention

When one of them breaks all sweeps stop, and any worker that is left takes over, perhaps this one.
No sweep depends on there being one leader, and none is slowed down because there is much to do.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from awa._core.watching import Watch
from awa._runtime.clock import ServerClock, look_at_the_clock
from awa._runtime.hooks import Audience
from awa._runtime.limits import (
    CALL_TIMEOUT_S,
    FIRE_GAP_S,
    PROMOTE_GAP_S,
    RECONNECT_MAX_S,
    REIGN_MIN_S,
    UPKEEP_TIMEOUT_S,
)
from awa._runtime.listening import Listener
from awa._runtime.observing import Observer
from awa._runtime.promoting import Promoter
from awa._runtime.reconnecting import Session, brief
from awa._runtime.rescuing import Deadlines, Rescuer, Strays
from awa._runtime.retiring import Retirer
from awa._runtime.scheduling import Firer
from awa._runtime.seat import Seat
from awa._runtime.settings import WorkerSettings
from awa._runtime.signals import Signal
from awa._runtime.sweeping import Sweep, sweep
from awa._runtime.turning import Turner
from awa._storage.executors import run_trio
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Leader:
    """Follows and leads for one incarnation of a worker.

    `session` is for leading, and `upkeep` for what takes its time. `is_blind()`: whether nothing
    is learnt just now from the silence of other workers. `audience` hears of what is rescued.
    """

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        storage: Storage,
        session: Session,
        upkeep: Session,
        listener: Listener,
        clock: ServerClock,
        audience: Audience,
        is_blind: Callable[[], bool],
    ) -> None:
        self._audience = audience
        self._settings = settings
        self._storage = storage
        self._session = session
        self._upkeep = upkeep
        self._listener = listener
        self._clock = clock
        self._is_blind = is_blind
        self._observer = Observer(
            listener=listener, storage=storage, settings=settings, is_blind=is_blind
        )
        self._timer: Final = Signal()
        self._schedules: Final = Signal()
        self._somebody_new: Final = Signal()
        self.leads = False
        """Whether this worker is the leader now."""
        self._work: list[Sweep] = []
        self._rescuer: Rescuer | None = None

    def is_settled(self) -> bool:
        """Whether it is known who leads, and, if it is this worker, each sweep was done once."""
        if self.leads:
            return bool(self._work) and all(work.done.is_set() for work in self._work)
        return self._observer.saw_a_leader

    def awaits_rescue(self) -> bool:
        """Whether this worker leads and looks on one that may be lost."""
        return self.leads and self._rescuer is not None and self._rescuer.somebody_is_silent()

    def told(self) -> None:
        """Somebody deferred a job until before the timer's time, changed a schedule, or is new."""
        self._timer.set()
        self._schedules.set()
        self._somebody_new.set()

    async def run(self) -> None:
        """Follow, and lead when nobody does, until cancelled."""
        try:
            while True:
                await self._observer.until_free()
                try:
                    with trio.fail_after(CALL_TIMEOUT_S):
                        leads = await self._try_to_lead()
                except Exception as error:  # noqa: BLE001  # whatever it is, somebody has to lead
                    # Even a sound session: it may hold the lock, and then nobody could lead.
                    await self._close()
                    await self._session.had_trouble("lead", error)
                    continue
                if leads:
                    began_s = trio.current_time()
                    lost = await self._reign()
                    await self._close()
                    if trio.current_time() - began_s < REIGN_MIN_S:
                        # Trouble that lets it lead but not work would have it connect without end.
                        await self._session.had_trouble("reign", lost)
                        continue
                self._session.is_fine()
                # Who leads holds the lock with this session, and who follows needs none.
                await self._close()
        finally:
            await self._close()

    async def _close(self) -> None:
        await self._session.aclose()
        await self._upkeep.aclose()

    async def _try_to_lead(self) -> bool:
        conn = await self._session.connected()
        if not await run_trio(conn, self._storage.lead()):
            return False
        # Due times are the database's: none can be kept before its clock is known.
        await look_at_the_clock(self._clock, partial(run_trio, conn))
        return True

    async def _reign(self) -> BaseException:
        """Lead until the session is gone; answers why it is."""
        _log.info("this worker leads")
        self.leads = True
        try:
            async with trio.open_nursery() as reign:
                over = reign.cancel_scope.cancel
                seat = Seat(self._session, on_lost=over)
                bench = Seat(self._upkeep, on_lost=over, timeout_s=UPKEEP_TIMEOUT_S)
                watch = await self._observer.bequeath()
                self._work = self._sweeps(seat, bench, watch)
                for work in self._work:
                    reign.start_soon(sweep, work)
        finally:
            self.leads = False
            self._work = []
        lost = seat.lost or bench.lost
        assert lost is not None, "only the loss of a seat ends a reign"
        _log.warning("this worker does not lead any more: %s", brief(lost))
        return lost

    def _sweeps(self, seat: Seat, bench: Seat, watch: Watch) -> list[Sweep]:
        strays = Strays(bench, self._storage, self._audience)
        rescuer = self._rescuer = self._make_rescuer(seat, watch, strays)
        promoter = Promoter(
            seat, self._storage, clock=self._clock, listener=self._listener, wake=self._timer
        )
        deadlines = Deadlines(
            bench,
            self._storage,
            self._clock,
            audience=self._audience,
            grace_s=self._settings.grace_s,
        )
        turner = Turner(bench, self._storage, self._settings.retention)
        retirer = Retirer(bench, self._storage, self._settings.retention)
        return [
            Sweep(
                name="rescue",
                once=rescuer.once,
                wake=self._somebody_new,
                gap_s=self._settings.look_s(calm=False),
                retry_max_s=RECONNECT_MAX_S,
            ),
            Sweep(name="strays", once=strays.once, wake=strays.wake),
            Sweep(name="deadlines", once=deadlines.once),
            Sweep(
                name="promote",
                once=promoter.once,
                wake=promoter.wake,
                gap_s=PROMOTE_GAP_S,
                retry_max_s=RECONNECT_MAX_S,
            ),
            self._firing(Firer(seat, self._storage)),
            Sweep(name="turn", once=turner.once),
            Sweep(name="retire", once=retirer.once),
        ]

    def _make_rescuer(self, seat: Seat, watch: Watch, strays: Strays) -> Rescuer:
        return Rescuer(
            seat,
            self._storage,
            self._settings,
            watch=watch,
            audience=self._audience,
            is_blind=self._is_blind,
            on_rescued=strays.soon,
        )

    def _firing(self, firer: Firer) -> Sweep:
        return Sweep(
            name="fire",
            once=firer.once,
            wake=self._schedules,
            gap_s=FIRE_GAP_S,
            retry_max_s=RECONNECT_MAX_S,
        )
