"""Handlers that do not end though they were cancelled, when their worker has to end.

A task cannot be ended from outside: whoever shields itself holds up everything around it. Others
are settled meanwhile. Who owns the process may then end it; such a job is left open, so that it
runs nowhere else before this process is gone, and is rescued like that of any lost worker.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from awa._runtime import stalls
from awa._runtime.ledger import Ledger
from awa._runtime.limits import OVERSTAY_LOOK_S, OVERSTAY_MIN_S
from awa._runtime.turns import Fate

if TYPE_CHECKING:
    from awa._runtime.running import QueueRun

SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Overstayers:
    """Handlers that are still there: `text` names the first of them and where they stand."""

    handlers: int
    open_jobs: int
    """Jobs of theirs of which nothing is settled."""
    text: str


OnStay: TypeAlias = Callable[[Overstayers], Awaitable[None]]


def overstayers(queues: Collection["QueueRun"]) -> Overstayers | None:
    """Whoever is still there; None when nobody is."""
    found = [(queue, turn) for queue in queues for turn in queue.staying()]
    if not found:
        return None
    named = [stalls.standing(queue, turn) for queue, turn in found[:SHOWN_MAX]]
    more = [f"and {len(found) - SHOWN_MAX} more"] if len(found) > SHOWN_MAX else []
    return Overstayers(
        handlers=len(found),
        open_jobs=sum(turn.size for _, turn in found if turn.fate is not Fate.LEFT),
        text="; ".join(named + more),
    )


async def watch(
    queues: Collection["QueueRun"],
    ledger: Ledger,
    *,
    grace_s: float,
    flush_s: float,
    on_stay: OnStay,
) -> None:
    """Handlers were cancelled just now: tell of those that stay, until none does.

    First once they had their grace and everything else is settled, or `flush_s` later.
    """
    await trio.sleep(max(grace_s, OVERSTAY_MIN_S))
    until_s = trio.current_time() + flush_s
    while (staying := overstayers(queues)) is not None:
        if ledger.jobs() <= staying.open_jobs or trio.current_time() >= until_s:
            await on_stay(staying)
        await trio.sleep(OVERSTAY_LOOK_S)
