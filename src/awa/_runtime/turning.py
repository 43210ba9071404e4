"""Turning the ring: entries go to the next slot in time, and finished slots are emptied.

A slot is emptied when everything in it has ended, and longer ago than the retention. When no slot
is empty any more the oldest that has ended is emptied, however young its history is; and when all
of them hold something alive, what little is alive in the oldest is carried forward first.
"""

import logging
from typing import Final

import trio

from awa._core.entries import EvacuateAnswer, PruneAnswer, Pruning, RotateAnswer
from awa._core.limits import RING_SLOTS
from awa._core.pacing import Pacing
from awa._runtime.limits import (
    PRUNE_RETRY_MAX_S,
    PRUNE_RETRY_MIN_S,
    RING_BUSY_S,
    TURN_INTERVAL_S,
)
from awa._runtime.seat import Seat
from awa._runtime.settings import Retention
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Turner:
    """Looks at the ring. Slots are taken as they come after the current one: the oldest first."""

    def __init__(self, seat: Seat, storage: Storage, retention: Retention) -> None:
        self._seat = seat
        self._storage = storage
        self._retention = retention
        self._pacing: Final[Pacing[int]] = Pacing(
            least_s=PRUNE_RETRY_MIN_S, most_s=PRUNE_RETRY_MAX_S
        )
        self._full = False

    async def once(self) -> float:
        """Turn the ring if it is time, and empty what can be emptied."""
        rotation = await self._seat.ask(
            self._storage.rotate(
                max_age_s=self._retention.slot_s, max_entries=self._retention.slot_entries
            )
        )
        if rotation.slot is None or rotation.answer is RotateAnswer.BUSY:
            return RING_BUSY_S
        slots = [(rotation.slot + ahead) % RING_SLOTS for ahead in range(1, RING_SLOTS)]
        if rotation.answer is RotateAnswer.TURNED:
            _log.info("the ring turned: new entries go to slot %d", rotation.slot)
            # The next in line has to be empty when the ring turns again.
            await self._evacuate(slots[0])
        if rotation.answer is RotateAnswer.FULL:
            freed = await self._make_room(slots)
            self._tell_full(full=not freed)
            if freed:
                return 0.0
        else:
            self._tell_full(full=False)
        for slot in self._pacing.due(slots, now_s=trio.current_time()):
            await self._prune(slot)
        return min(TURN_INTERVAL_S, max(RING_BUSY_S, self._pacing.next_s() - trio.current_time()))

    async def _prune(self, slot: int) -> None:
        pruning = await self._seat.ask(
            self._storage.prune(slot, keep_s=self._retention.completed_s)
        )
        _report(slot, pruning)
        now_s = trio.current_time()
        if pruning.answer is PruneAnswer.BUSY:
            self._pacing.rest(slot, now_s=now_s, pause_s=RING_BUSY_S)
        elif pruning.answer is PruneAnswer.PRUNED:
            # Rarely a late producer's entry comes into an empty slot.
            self._pacing.rest(slot, now_s=now_s, pause_s=PRUNE_RETRY_MAX_S)
        else:
            self._pacing.in_vain(slot, now_s=now_s)

    async def _make_room(self, slots: list[int]) -> bool:
        """Whether one of these slots is empty now."""
        for slot in slots:
            if await self._empty(slot):
                return True
        for slot in slots:
            if await self._evacuate(slot) and await self._empty(slot):
                return True
        return False

    async def _empty(self, slot: int) -> bool:
        pruning = await self._seat.ask(self._storage.prune(slot, keep_s=0.0))
        _report(slot, pruning)
        return pruning.answer is PruneAnswer.PRUNED

    async def _evacuate(self, slot: int) -> bool:
        evacuation = await self._seat.ask(self._storage.evacuate(slot))
        if evacuation.moved:
            _log.info("%d live entries of slot %d were carried forward", evacuation.moved, slot)
        return evacuation.answer is EvacuateAnswer.MOVED

    def _tell_full(self, *, full: bool) -> None:
        if full and not self._full:
            _log.warning(
                "the ring is full: every slot holds many live entries, or is locked by a dump or a"
                " forgotten reader; work goes on, and disk use grows"
            )
        self._full = full


def _report(slot: int, pruning: Pruning) -> None:
    if pruning.freed_bytes:
        _log.info("slot %d was emptied: %d bytes are free again", slot, pruning.freed_bytes)
    if pruning.reappended:
        _log.error(
            "slot %d held %d entries that nobody would have claimed; they were enqueued again."
            " This is a defect of Awa: please report it",
            slot,
            pruning.reappended,
        )
