"""The watchdog: says what is stuck, where it stands, and when it goes on again.

A task looks at the worker's parts. Whether that task itself comes to its turn, only another thread
can tell: it says where the event loop stands while it does not turn, for instance in a handler that
blocks it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import trio

from awa._runtime import stacks
from awa._runtime.limits import LOOP_LAG_S, WATCH_INTERVAL_S
from awa._runtime.stalls import Stall

_log: Final = logging.getLogger("awa.worker")


class Watchdog:
    """Looks again and again, and logs what began to stall and what ended to; once each."""

    def __init__(
        self, look: Callable[[], Sequence[Stall]], *, loop_lag_s: float = LOOP_LAG_S
    ) -> None:
        self._look = look
        self._loop_lag_s = loop_lag_s
        self.stalls: tuple[Stall, ...] = ()
        """What stalls just now."""
        self.loop_lag_s = 0.0
        """By how much the event loop was late, when it was last looked."""

    async def run(self) -> None:
        """Look until cancelled."""
        lookout = _Lookout(lag_s=self._loop_lag_s)
        lookout.start()
        try:
            while True:
                self._take(tuple(self._look()))
                due_s = trio.current_time() + WATCH_INTERVAL_S
                await trio.sleep_until(due_s)
                self.loop_lag_s = trio.current_time() - due_s
                lookout.turned()
        finally:
            lookout.leave()

    def _take(self, stalls: tuple[Stall, ...]) -> None:
        before = {stall.what for stall in self.stalls}
        for stall in stalls:
            if stall.what not in before:
                _tell(stall)
        for what in before - {stall.what for stall in stalls}:
            _log.info("%s goes on again", what, extra={"event": "goes_on", "what": what})
        self.stalls = stalls


class _Lookout(threading.Thread):
    """Looks from outside whether the event loop turns. A process that was frozen is not late."""

    def __init__(self, *, lag_s: float) -> None:
        super().__init__(name="awa watchdog", daemon=True)
        self._loop: Final = threading.get_ident()
        self._lag_s = lag_s
        self._turned_s = time.monotonic()
        self._end: Final = threading.Event()
        self._told = False

    def turned(self) -> None:
        """The event loop has come round."""
        self._turned_s = time.monotonic()

    def leave(self) -> None:
        """End soon."""
        self._end.set()

    def run(self) -> None:
        """Look until told to end."""
        looked_s = time.monotonic()
        while not self._end.wait(WATCH_INTERVAL_S):
            before_s, looked_s = looked_s, time.monotonic()
            if looked_s - before_s < 2 * WATCH_INTERVAL_S:
                self._look(looked_s - self._turned_s)

    def _look(self, seconds: float) -> None:
        if seconds < self._lag_s + WATCH_INTERVAL_S:
            if self._told:
                _log.info("loop goes on again", extra={"event": "goes_on", "what": "loop"})
            self._told = False
        elif not self._told:
            self._told = True
            where = stacks.of_thread(self._loop)
            _tell(
                Stall(
                    what="loop",
                    seconds=seconds,
                    why="the event loop does not turn; an async handler may block it",
                    curable=True,
                    stacks={"event loop": where},
                )
            )


def _tell(stall: Stall) -> None:
    lines = [f"\n  {name}\n    " + "\n    ".join(at) for name, at in stall.stacks.items()]
    _log.warning(
        "%s has made no progress for %.0f s: %s%s",
        stall.what,
        stall.seconds,
        stall.why,
        "".join(lines),
        extra={
            "event": "stalled",
            "what": stall.what,
            "seconds": round(stall.seconds, 1),
            "why": stall.why,
            "stacks": dict(stall.stacks),
        },
    )
