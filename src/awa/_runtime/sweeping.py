"""A sweep: standing work of the leader, done again and again, and never given up.

What one sweep fails at is logged and tried again after a growing pause; the others go on.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.limits import SWEEP_RETRY_MAX_S, SWEEP_RETRY_MIN_S
from awa._runtime.seat import Unseated
from awa._runtime.signals import Signal

_log: Final = logging.getLogger("awa.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One kind of work. `once()` does it and answers in how many seconds it is due again."""

    name: str
    once: Callable[[], Awaitable[float]]
    wake: Signal = field(default_factory=Signal)
    """Raised when it is due sooner."""
    gap_s: float = 0.0
    """It is never due sooner than so long after it was done."""
    retry_max_s: float = SWEEP_RETRY_MAX_S
    """The longest pause after it failed."""
    done: trio.Event = field(default_factory=trio.Event)
    """Set when it was done for the first time."""


async def sweep(work: Sweep) -> None:
    """Do it until the leader's session is gone."""
    failures = 0
    while True:
        try:
            due_s = await work.once()
        except Unseated:
            return
        except Exception as error:  # noqa: BLE001  # whatever it is, the work is not given up
            failures += 1
            due_s = pause_s(
                tries=failures,
                least_s=SWEEP_RETRY_MIN_S,
                most_s=work.retry_max_s,
                jitter=jitter(),
            )
            _log.warning(
                "leader: %s failed, trying again in %.1f s: %s",
                work.name,
                due_s,
                error,
                exc_info=error if failures == 1 else None,
            )
            await trio.sleep(due_s)
        else:
            failures = 0
            work.done.set()
            now_s = trio.current_time()
            await trio.sleep(work.gap_s)
            await work.wake.wait(until_s=now_s + max(due_s, work.gap_s))
