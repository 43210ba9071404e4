"""Promotion: deferred jobs become available when their time has come.

The order is the timer's. While the promoter looks, the timer is set to for ever: whoever defers a
job in that time notifies. Who was deferring before that may have read the timer as it was, and
tells nobody: so while somebody is deferring the promoter looks again soon. Then it sets the timer
to the next job's time, and sleeps until then, or until somebody defers an earlier one.

A producer may have been told not to notify. So the promoter also looks from time to time without
touching the timer, which stands as long as that look finds what the last one found.
"""

from datetime import UTC, datetime
from typing import Final

import trio

from awa._core.entries import Promotion
from awa._core.limits import PROMOTE_JOBS_MAX
from awa._core.watermark import Watermark
from awa._runtime.clock import ServerClock
from awa._runtime.limits import PROMOTE_FALLBACK_S, PROMOTE_POLL_S
from awa._runtime.listening import Listener
from awa._runtime.seat import Seat
from awa._runtime.signals import Signal
from awa._storage.functions import Storage


class Promoter:
    """See the module. `wake` is raised when somebody notified the timer."""

    def __init__(
        self,
        seat: Seat,
        storage: Storage,
        *,
        clock: ServerClock,
        listener: Listener,
        wake: Signal,
    ) -> None:
        self._seat = seat
        self._storage = storage
        self._clock = clock
        self._listener = listener
        self._mark = Watermark()
        self._stands: Promotion | None = None
        """What the last look found, if nobody was deferring beside it."""
        self.wake: Final = wake

    async def once(self) -> float:
        """Promote what is due, and answer when the next job is."""
        now_s = self._clock.server_s()
        if self._stands is not None and await self._still_stands(self._stands, now_s):
            return self._sleep_s(self._stands, looked_s=now_s, nobody_defers=True)
        nobody_defers = await self._seat.ask(self._storage.arm_timer())
        since_s = self._mark.since_s(now_s)
        last = await self._promote(since_s)
        if nobody_defers:
            # Else one who defers may yet commit a row whose time is long past.
            self._mark.looked(since_s=since_s, until_s=now_s)
        await self._seat.ask(self._storage.set_timer(last.next_at))
        self._stands = last if nobody_defers else None
        return self._sleep_s(last, looked_s=now_s, nobody_defers=nobody_defers)

    async def _still_stands(self, before: Promotion, now_s: float) -> bool:
        """Whether a look that leaves the timer alone finds what the timer shows."""
        self._stands = None
        since_s = self._mark.since_s(now_s)
        due_s = self._clock.local_s(before.next_at) - trio.current_time()
        if since_s is None or due_s <= 0:
            return False
        found = await self._promote(since_s)
        if found.promoted or found.next_at != before.next_at:
            return False
        self._stands = before
        return True

    def _sleep_s(self, last: Promotion, *, looked_s: float, nobody_defers: bool) -> float:
        due_s = self._clock.local_s(last.next_at) - trio.current_time()
        # Due when we looked, and not promoted: somebody else is at work on it. What came due since
        # is not late yet.
        held = last.next_at is not None and last.next_at.timestamp() <= looked_s
        if held or not nobody_defers or not self._listener.is_up:
            return PROMOTE_POLL_S
        return min(max(due_s, 0.0), PROMOTE_FALLBACK_S)

    async def _promote(self, since_s: float | None) -> Promotion:
        since = None if since_s is None else datetime.fromtimestamp(since_s, UTC)
        while True:
            answer = await self._seat.ask(
                self._storage.promote(max_jobs=PROMOTE_JOBS_MAX, since=since)
            )
            if answer.promoted < PROMOTE_JOBS_MAX:
                return answer
