"""Rescue: open attempts of workers that are lost, and attempts past their deadline, end.

A worker that is lost is looked for again and again, by what this leader saw itself. Its row goes
first; a claim of its that commits after that is open under no row. So claims of workers without a
row are looked for as long as there is a leader: soon after a rescue, then at growing intervals.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import trio

from awa._core.entries import RescueAnswer
from awa._core.limits import RESCUE_CLAIMS_MAX
from awa._core.pacing import Pacing
from awa._core.watching import Lost, Watch, look, lost, somebody_is_absent
from awa._core.watermark import Watermark
from awa._runtime.clock import ServerClock
from awa._runtime.hooks import Audience
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    DEADLINE_GAP_S,
    DEADLINE_LOOK_S,
    STRAY_MAX_S,
    STRAY_MIN_S,
    STRAY_SHARE,
    STRAYS_LOOK_S,
)
from awa._runtime.seat import Seat
from awa._runtime.settings import WorkerSettings
from awa._runtime.signals import Signal
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Rescuer:
    """Looks at all workers, and gives back what the lost ones held."""

    def __init__(
        self,
        seat: Seat,
        storage: Storage,
        settings: WorkerSettings,
        *,
        watch: Watch,
        audience: Audience,
        is_blind: Callable[[], bool],
        on_rescued: Callable[[int], None],
    ) -> None:
        self._audience = audience
        self._seat = seat
        self._storage = storage
        self._patience = settings.patience()
        self._settings = settings
        self._watch = watch
        self._is_blind = is_blind
        self._on_rescued = on_rescued

    def somebody_is_silent(self) -> bool:
        """Whether a worker may be lost, and it takes more looks to know."""
        return somebody_is_absent(self._watch)

    async def once(self) -> float:
        """Look at all workers, and rescue those that are lost."""
        if self._is_blind():
            # Their beats are refused as ours are: how long that lasts says nothing about anybody.
            self._watch = Watch()
            return self._settings.look_s(calm=False)
        asked_s = trio.current_time()
        workers = await self._seat.ask(self._storage.observe())
        self._watch = look(
            self._watch,
            workers,
            asked_s=asked_s,
            answered_s=trio.current_time(),
            patience=self._patience,
        )
        for found in lost(self._watch, self._patience):
            await self._rescue(found)
        return self._look_again_s()

    def _look_again_s(self) -> float:
        if len(self._watch.records) <= 1:
            return self._settings.heartbeat_s  # whoever starts beside us says so
        return self._settings.look_s(calm=not somebody_is_absent(self._watch))

    async def _rescue(self, found: Lost) -> None:
        call = self._storage.rescue_worker(
            found.worker, beat=found.beat, kinds=self._audience.kinds
        )
        rescue = await self._seat.ask(call)
        if rescue.answer is RescueAnswer.ALIVE:
            return
        self._audience.rescued(rescue.rescued, "lost")
        _log.error(
            "worker %d is lost (%s for %.1f s): %d attempts are given back, %d jobs ended",
            found.worker,
            found.sign.name.lower(),
            found.seconds,
            rescue.released,
            rescue.ended,
        )
        # What was busy, beyond the bound of one call, or still uncommitted.
        self._on_rescued(found.worker)


class Strays:
    """Gives back what is open under no worker's row.

    Most workers without a row have left nothing open, and to see that takes a look at all they
    ever claimed. So each is looked at at its own pace: soon, then more and more seldom.
    """

    def __init__(self, seat: Seat, storage: Storage, audience: Audience) -> None:
        self._audience = audience
        self._seat = seat
        self._storage = storage
        self._pacing: Final[Pacing[int]] = Pacing(least_s=STRAY_MIN_S, most_s=STRAY_MAX_S)
        self.wake: Final = Signal()

    def soon(self, worker: int) -> None:
        """This worker was rescued just now."""
        self._pacing.hurry([worker])
        self.wake.set()

    async def once(self) -> float:
        """Look who has claims and no row, and rescue those of them whose turn it is."""
        workers = await self._seat.ask(self._storage.strays())
        for worker in self._pacing.due(workers, now_s=trio.current_time()):
            await self._rescue(worker)
        return min(STRAYS_LOOK_S, self._pacing.next_s() - trio.current_time())

    async def _rescue(self, worker: int) -> None:
        asked_s = trio.current_time()
        call = self._storage.rescue_worker(worker, beat=None, kinds=self._audience.kinds)
        rescue = await self._seat.ask(call)
        self._audience.rescued(rescue.rescued, "lost")
        now_s = trio.current_time()
        if not rescue.released + rescue.ended:
            dear_s = (now_s - asked_s) / STRAY_SHARE
            self._pacing.in_vain(worker, now_s=now_s, at_least_s=dear_s)
            return
        self._pacing.worked(worker, now_s=now_s)
        _log.warning(
            "worker %d is gone: %d attempts more are given back, %d jobs ended",
            worker,
            rescue.released,
            rescue.ended,
        )


class Deadlines:
    """Ends attempts past their deadline, whose workers did not in time.

    A worker cancels its attempt, lets it clean up for its grace, and settles it as its kind's
    policy says; only what it leaves open is ended here.
    """

    def __init__(
        self,
        seat: Seat,
        storage: Storage,
        clock: ServerClock,
        *,
        audience: Audience,
        grace_s: float,
    ) -> None:
        self._audience = audience
        self._seat = seat
        self._storage = storage
        self._clock = clock
        self._grace_s = grace_s + DEADLINE_LOOK_S
        self._mark = Watermark()

    async def once(self) -> float:
        """Look at the claims' deadlines."""
        asked_s = trio.current_time()
        now_s = self._clock.server_s() - self._grace_s
        since_s = self._mark.since_s(now_s)
        since = None if since_s is None else datetime.fromtimestamp(since_s, UTC)
        rescue = await self._seat.ask(
            self._storage.rescue_deadline(
                max_claims=RESCUE_CLAIMS_MAX,
                since=since,
                grace_s=self._grace_s,
                kinds=self._audience.kinds,
            )
        )
        self._audience.rescued(rescue.rescued, "expired")
        if ended := rescue.released + rescue.ended:
            _log.warning("%d attempts were past their deadline and ended", ended)
            return 0.0
        if rescue.busy:
            return BUSY_RETRY_MAX_S
        took_s = trio.current_time() - asked_s
        self._mark.looked(since_s=since_s, until_s=now_s, took_s=took_s)
        due_s = self._clock.local_s(rescue.next_at) + self._grace_s - trio.current_time()
        return min(max(DEADLINE_GAP_S, due_s), DEADLINE_LOOK_S)
