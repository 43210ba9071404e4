"""Attempts that somebody else ended: an operator's cancel, a rescue, a deadline that was enforced.

The database tells the worker, which asks what ended; a notification can be lost, so it asks after
each beat as well. Such attempts are cancelled here, and nothing is settled for them.
"""

import logging
from collections.abc import Mapping
from typing import Final

import trio

from awa._runtime.ledger import Ledger
from awa._runtime.listening import Deaf, Listener
from awa._runtime.running import QueueRun
from awa._runtime.signals import Signal
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Endings:
    """Asks, whenever `told` is raised, what ended of what this worker holds."""

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        listener: Listener,
        ledger: Ledger,
        queues: Mapping[str, QueueRun],
        told: Signal,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._listener = listener
        self._ledger = ledger
        self._queues = queues
        self._told = told

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._told.wait()
            calls = self._ledger.open_calls()
            if not calls:
                continue
            ask = self._storage.ended_elsewhere(self._worker, calls=calls)
            try:
                found = await self._listener.ask(ask, optional=True)
            except Deaf:
                continue  # the next beat asks again
            except Exception as error:  # noqa: BLE001  # whatever it is, the next beat asks again
                _log.warning("what others ended is not known until the next beat: %s", error)
                continue
            for ended in found:
                for queue in self._queues.values():
                    queue.was_ended(ended)
            await trio.lowlevel.checkpoint()
