"""Kinds that are claimed here and have no handler: how long their jobs wait, and who is told.

A worker claims what its queues hold. What it cannot run may be another worker's, of a newer release
perhaps, so it is never failed for that: it waits, longer each time it comes back, without using up
an attempt.
"""

import logging
from dataclasses import dataclass
from typing import Final

import trio

from awa._core.capability import UnknownKind
from awa._runtime.limits import (
    UNKNOWN_KIND_SHOWN_S,
    UNKNOWN_KIND_SNOOZE_MAX_S,
    UNKNOWN_KIND_SNOOZE_S,
    UNKNOWN_KIND_TOLD_S,
    UNKNOWN_KINDS_LOOK_S,
    UNKNOWN_KINDS_MAX,
)
from awa._runtime.listening import Listener
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")
_DOUBLINGS_MAX: Final = 16


def unknown_delay_s(*, run_lease: int, attempt: int) -> float:
    """How long a job waits: twice as long each time. Entries that were no attempts are counted."""
    doublings = max(0, min(run_lease - attempt, _DOUBLINGS_MAX))
    return min(UNKNOWN_KIND_SNOOZE_S * 2.0**doublings, UNKNOWN_KIND_SNOOZE_MAX_S)


@dataclass(slots=True)
class _Met:
    """One kind in one queue. Times by trio's clock."""

    times: int
    untold: int
    logged_s: float
    last_s: float


class UnknownKinds:
    """What this worker met, as long as it meets it; bounded, for a producer may make up kinds."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str], _Met] = {}
        self._told: tuple[UnknownKind, ...] = ()
        self._told_s = 0.0

    def met(self, queue: str, kind: str, now_s: float) -> int:
        """A job of this kind was claimed; answers of how many a log record is to speak, if any."""
        known = self._met.get((queue, kind))
        if known is None:
            self._forget(now_s)
            if len(self._met) < UNKNOWN_KINDS_MAX:
                self._met[queue, kind] = _Met(times=1, untold=0, logged_s=now_s, last_s=now_s)
                return 1
            return 0
        known.times += 1
        known.untold += 1
        known.last_s = now_s
        if now_s - known.logged_s < UNKNOWN_KIND_TOLD_S:
            return 0
        jobs, known.untold, known.logged_s = known.untold, 0, now_s
        return jobs

    def kinds(self) -> tuple[str, ...]:
        """Their names, sorted; as of the last look."""
        return tuple(sorted({kind for _, kind in self._met}))

    def news(self, now_s: float) -> tuple[UnknownKind, ...] | None:
        """What is met just now, when the database was told otherwise; None when it was not."""
        self._forget(now_s)
        found = tuple(
            UnknownKind(queue=queue, kind=kind, workers=1, times=known.times)
            for (queue, kind), known in sorted(self._met.items())
        )
        same = _names(found) == _names(self._told)
        if found == self._told or (same and now_s - self._told_s < UNKNOWN_KIND_TOLD_S):
            return None
        self._told_s = now_s
        return found

    def told(self, kinds: tuple[UnknownKind, ...]) -> None:
        """The database knows of these now."""
        self._told = kinds

    def _forget(self, now_s: float) -> None:
        """Somebody runs them by now, or there are none any more."""
        last_s = now_s - UNKNOWN_KIND_SHOWN_S
        self._met = {key: known for key, known in self._met.items() if known.last_s > last_s}


def _names(kinds: tuple[UnknownKind, ...]) -> list[tuple[str, str]]:
    return [(one.queue, one.kind) for one in kinds]


async def tell_unknown(
    worker: int, storage: Storage, listener: Listener, unknown: UnknownKinds
) -> None:
    """Let the database know what is met and cannot be run, until cancelled."""
    while True:
        await trio.sleep(UNKNOWN_KINDS_LOOK_S)
        kinds = unknown.news(trio.current_time())
        if kinds is None or not listener.is_up:
            continue
        try:
            await listener.ask(storage.tell_unknown(worker, kinds), optional=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told later
            _log.debug("the database was not told of unknown kinds: %s", error)
        else:
            unknown.told(kinds)
