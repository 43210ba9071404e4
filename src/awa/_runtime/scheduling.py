"""Schedules: the leader looks at those that are due, works out their instants and fires them.

The database compares: a leader that was replaced and does not know it, or two at once, fire nothing
twice. What is due is reckoned by the database's clock, as the look tells it, and the next look
comes when the next schedule is due, or somebody says that one has changed.
"""

import logging
from collections.abc import Iterable
from typing import Final, TypeAlias

import trio

from awa._core.firing import Plan, plan
from awa._core.pacing import Pacing
from awa._core.schedules import DueLook, DueSchedule, FireAnswer, timing_of
from awa._runtime.limits import (
    FIRE_BUSY_S,
    FIRE_FALLBACK_S,
    FIRE_RETRY_MAX_S,
    FIRE_RETRY_MIN_S,
)
from awa._runtime.seat import Seat, Unseated
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")

_Version: TypeAlias = tuple[str, str, int]


class Firer:
    """See the module. A schedule that cannot be followed stands in no other's way."""

    def __init__(self, seat: Seat, storage: Storage) -> None:
        self._seat = seat
        self._storage = storage
        # Handlers may have taken all threads that there are by default.
        self._thread: Final = trio.CapacityLimiter(1)
        self._pacing: Final[Pacing[_Version]] = Pacing(
            least_s=FIRE_RETRY_MIN_S, most_s=FIRE_RETRY_MAX_S
        )

    async def once(self) -> float:
        """Fire what is due, and answer in how many seconds something is."""
        look = await self._seat.ask(self._storage.due_schedules())
        looked_s = trio.current_time()
        by_version = {_version(due): due for due in look.due}
        chosen = self._pacing.due(by_version, now_s=looked_s)
        if chosen:
            due = [by_version[version] for version in chosen]
            # Rules are read slowly, and this loop is everybody's.
            plans = await trio.to_thread.run_sync(_plans, look, due, limiter=self._thread)
            for one, wish in zip(due, plans, strict=True):
                await self._fire(one, wish)
            return 0.0
        sleep_s = FIRE_FALLBACK_S if look.next_at is None else _seconds(look)
        return min(sleep_s, FIRE_FALLBACK_S, self._pacing.next_s() - looked_s)

    async def _fire(self, due: DueSchedule, wish: Plan | Exception) -> None:
        if isinstance(wish, Exception):
            self._failed(due, wish)
            return
        call = self._storage.fire(
            due.namespace,
            due.name,
            version=due.version,
            upto=wish.upto,
            due=wish.fires,
            next_at=wish.next_at,
        )
        try:
            fired = await self._seat.ask(call)
        except Unseated:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the others are fired
            self._failed(due, error)
            return
        now_s = trio.current_time()
        if fired.answer in {FireAnswer.BUSY, FireAnswer.EARLY}:
            self._pacing.rest(_version(due), now_s=now_s, pause_s=FIRE_BUSY_S)
        elif fired.answer is FireAnswer.FIRED and wish.upto is not None:
            jobs = sum(job is not None for job in fired.job_ids)
            _log.debug(
                "schedule %s of %s: %d jobs, up to %s", due.name, due.namespace, jobs, wish.upto
            )

    def _failed(self, due: DueSchedule, error: Exception) -> None:
        self._pacing.in_vain(_version(due), now_s=trio.current_time())
        _log.error(
            "schedule %s of %s was not fired, and will be tried again: %s",
            due.name,
            due.namespace,
            error,
        )


def _plans(look: DueLook, due: Iterable[DueSchedule]) -> list[Plan | Exception]:
    return [_plan(look, one) for one in due]


def _plan(look: DueLook, due: DueSchedule) -> Plan | Exception:
    try:
        return plan(timing_of(due), since=due.upto, now=look.now)
    except Exception as error:  # noqa: BLE001  # told, and the others are fired
        return error


def _version(due: DueSchedule) -> _Version:
    return due.namespace, due.name, due.version


def _seconds(look: DueLook) -> float:
    assert look.next_at is not None
    return (look.next_at - look.now).total_seconds()
