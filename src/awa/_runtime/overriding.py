"""What operators say of queues while the worker runs: asked for when told, and now and then.

The database tells all workers over the channel on which they hear of ended attempts. A
notification can be lost, with the listener or because it was switched off, so some beats ask as
well; all of them in a worker that hears nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from awa._core.tuning import QueueOverrides
from awa._runtime.limits import OVERRIDES_LOOK_BEATS
from awa._runtime.listening import Deaf, Listener
from awa._runtime.signals import Signal
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Overriding:
    """Asks over the listener's connection; `then(overrides)` gets the answer."""

    def __init__(
        self,
        *,
        listener: Listener,
        storage: Storage,
        queues: Sequence[str],
        hears: bool,
        then: Callable[[Mapping[str, QueueOverrides]], None],
    ) -> None:
        self._listener = listener
        self._storage = storage
        self._queues = tuple(queues)
        self._look_beats = OVERRIDES_LOOK_BEATS if hears else 1
        self._then = then
        self._beats = 0
        self._told = Signal()

    def told(self) -> None:
        """Somebody said that something may have changed, or may have while nobody was heard."""
        self._told.set()

    def beat(self) -> None:
        """A beat was answered."""
        self._beats += 1
        if self._beats % self._look_beats == 0:
            self._told.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._told.wait()
            ask = self._storage.overrides_of(self._queues)
            try:
                found = await self._listener.ask(ask, optional=True)
            except Deaf:
                continue  # a listener that comes back tells
            except Exception as error:  # noqa: BLE001  # whatever it is, a later beat asks again
                _log.warning("what operators say of queues is not known just now: %s", error)
                continue
            self._then(found)
