"""The beat: every few seconds the worker says that it lives and which claim calls are its own.

What a beat does not name, of the calls up to the last one sent, is released by the database as a
loss: entries of a claim whose reply this worker never processed. So the list is built at the moment
the beat is sent, and a call is noted before it is sent (see `ledger`).
"""

import logging
from collections.abc import Callable
from typing import Final

import trio

from awa._core.entries import Beat, BeatAnswer
from awa._core.ranges import Ranges
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.clock import ServerClock
from awa._runtime.ledger import Ledger
from awa._runtime.limits import (
    CLOCK_LOOK_MAX_S,
    HEARTBEAT_INTERVAL_S,
    RECONNECT_MAX_S,
    RECONNECT_MIN_S,
)
from awa._runtime.listening import Deaf, Listener
from awa._runtime.reconnecting import brief
from awa._runtime.statistics import Statistics
from awa._storage.calls import Call
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")

WHOLE_LOOK_BEATS: Final = 12
"""On every beat whose number this divides the database looks at all calls, not just at new ones."""


def next_beat(beat: int, *, look_again: bool) -> int:
    """The number after this one; `look_again` asks for a look at all calls already then.

    The database deals with a bounded number of forgotten claims in one beat, and leaves alone what
    others are settling: when it found any there may be more.
    """
    return (beat // WHOLE_LOOK_BEATS + 1) * WHOLE_LOOK_BEATS if look_again else beat + 1


class Heart:
    """Beats for one incarnation of a worker, over the listener's connection.

    `on_beat()` is called after each answered beat; it must not block.
    """

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        listener: Listener,
        ledger: Ledger,
        clock: ServerClock,
        statistics: Statistics,
        on_beat: Callable[[], None],
        interval_s: float = HEARTBEAT_INTERVAL_S,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._listener = listener
        self._ledger = ledger
        self._clock = clock
        self._statistics = statistics
        self._on_beat = on_beat
        self._look_again = False
        self._interval_s = interval_s
        self.beat_s = trio.current_time()
        """When the last beat was answered, by trio's clock."""
        self.begun: Final = trio.Event()
        """Set once a beat was answered."""
        self._asked_s = float("inf")
        self._failures = 0
        self.trouble = ""
        """What the last beat failed with; empty while all is well."""

    def is_refused(self) -> bool:
        """Whether the database does not take beats just now: it fails at them, or is silent.

        Whoever observes others learns nothing from their silence then.
        """
        late_s = trio.current_time() - self._asked_s
        return self._failures > 0 or late_s > self._interval_s / 2

    async def run(self) -> None:
        """Beat until the answer is `gone`; then return."""
        beat = 0
        while True:
            beat = next_beat(beat, look_again=self._look_again)
            if await self._beat(beat) is BeatAnswer.GONE:
                return
            await trio.sleep(self._interval_s)

    def _call(self, beat: int, upto: int, named: Ranges) -> Call[Beat]:
        return self._storage.heartbeat(self._worker, beat=beat, upto=upto, open_calls=named)

    async def _beat(self, beat: int) -> BeatAnswer:
        while True:
            call = self._call(beat, self._ledger.last_call, self._ledger.open_calls())
            asked_s = self._asked_s = trio.current_time()
            try:
                # A server that takes no writes for a while is no reason to connect anew each time.
                answer = await self._listener.ask(call, optional=True)
            except Deaf:
                await trio.sleep(RECONNECT_MIN_S)
                continue
            except Exception as error:  # noqa: BLE001  # whatever it is, the worker lives
                await self._rest(error)
                continue
            finally:
                self._asked_s = float("inf")
            self._failures = 0
            self.trouble = ""
            self.beat_s = trio.current_time()
            if self.beat_s - asked_s < CLOCK_LOOK_MAX_S:
                self._clock.looked(asked_s=asked_s, answered_s=self.beat_s, server_s=answer.at_s)
            self._statistics.beats += 1
            self.begun.set()
            self._look_again = answer.released > 0 or answer.busy > 0
            self._on_beat()
            if answer.released:
                _log.warning("%d claimed entries nobody knew of were released", answer.released)
            return answer.answer

    async def _rest(self, error: BaseException) -> None:
        """Pause after a beat that the server refused. Never for longer than between two beats."""
        self._failures += 1
        self.trouble = brief(error)
        retry_s = pause_s(
            tries=self._failures,
            least_s=min(RECONNECT_MIN_S, self._interval_s),
            most_s=min(RECONNECT_MAX_S, self._interval_s),
            jitter=jitter(),
        )
        _log.warning("a beat failed, trying again in %.2f s: %s", retry_s, self.trouble)
        await trio.sleep(retry_s)
