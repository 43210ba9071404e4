"""Drained: nothing is left that a worker could do now, so one that works in a burst may end.

::

    nothing in hand     no claim is unanswered, no handler runs, no outcome waits
    upkeep              if it leads, each of the leader's sweeps was done once
    nothing due         no deferred job of its queues is due, or will be within what was asked for
    nothing available   a claim after that found nothing in any queue, and nothing came meanwhile

In this order: a job is stored before it is due, and due before it is available, so what one look
passes by the next one finds. What others run is theirs.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Final

import psycopg
import trio

from awa._runtime.limits import DRAIN_LOOK_S, DRAIN_RETRY_S, DUE_LOOK_S
from awa._runtime.worker import Worker
from awa.errors import AwaError

_log: Final = logging.getLogger("awa.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """How far a worker goes that ends by itself."""

    timeout_s: float = inf
    due_within_s: float = 0.0
    """Deferred jobs that are due within so long are waited for."""
    jobs_max: int | None = None
    rescues: bool = False
    """Whether it waits to know if workers are lost that have gone silent, when it leads."""


class Drain:
    """Looks on until a worker is drained.

    `due_in_s(horizon)`: in how many seconds the first deferred job of its queues is due, if that
    is within the horizon; `promote()` makes available what is due.
    """

    def __init__(
        self,
        worker: Worker,
        burst: Burst,
        *,
        due_in_s: Callable[[float], Awaitable[float | None]],
        promote: Callable[[], Awaitable[object]],
    ) -> None:
        self._worker = worker
        self._burst = burst
        self._due_in_s = due_in_s
        self._promote = promote
        self.led = False
        """Whether the worker has led meanwhile."""

    async def run(self) -> bool:
        """Return when the worker is drained, or has ended; whether it is drained.

        One that did as many jobs as it was allowed is drained as far as it goes.
        """
        while not self._worker.ended.is_set():
            if await self._look():
                return True
            await trio.sleep(DRAIN_LOOK_S)
        return False

    async def _look(self) -> bool:
        life = self._worker.life
        if life is not None and life.leader is not None:
            self.led = self.led or life.leader.leads
        if life is None or not life.has_nothing():
            return False
        if self._worker.claimed >= (inf if self._burst.jobs_max is None else self._burst.jobs_max):
            return not self._worker.is_stopping  # or it gave back what it did not finish
        if not self._is_kept_up():
            return False
        try:
            due_s = await self._due_in_s(self._burst.due_within_s)
            if due_s is None:
                return await life.finds_nothing()
            if due_s <= 0:
                # There may be no leader, and whoever leads may be about to.
                await self._promote()
            else:
                await trio.sleep(min(due_s, DUE_LOOK_S))
        except (AwaError, psycopg.Error, OSError) as error:
            _log.warning("cannot see whether anything is left, looking again: %s", error)
            await trio.sleep(DRAIN_RETRY_S)
        return False

    def _is_kept_up(self) -> bool:
        leader = None if self._worker.life is None else self._worker.life.leader
        if leader is None:
            return True
        return leader.is_settled() and not (self._burst.rescues and leader.awaits_rescue())
