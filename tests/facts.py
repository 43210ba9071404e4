"""Waiting for what another process or session does: for a fact, with a limit."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

WAIT_S_MAX: Final = 60.0
"""Only what never happens takes so long; a busy machine may need a good part of it."""
LOOK_INTERVAL_S: Final = 0.005


_PRESSURE: Final = Path("/proc/pressure/cpu")


class Stopwatch:
    """Measures what the machine did not delay, for promises that are about time."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._starved_s = starved_s()

    def unhindered_s(self) -> float:
        """Answer how long it took, less the time in which something here waited for a processor.

        Nothing is left of it on a busy machine, so a bound is told from a broken promise only where
        there was room to keep it. Where the kernel does not say, nothing is left either.
        """
        if self._starved_s is None:
            return 0.0
        starved = (starved_s() or 0.0) - self._starved_s
        return time.monotonic() - self._began_s - starved


def starved_s() -> float | None:
    """Answer for how long in all some process waited for a processor; None: the kernel is mute."""
    try:
        found = re.search(r"^some .*total=(\d+)", _PRESSURE.read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) / 1e6


def wait_until(fact: Callable[[], bool], *, what: str = "it") -> None:
    """Return once `fact()` is true; fail when it does not come true within the limit."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not fact():
        assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_S_MAX} s"
        time.sleep(LOOK_INTERVAL_S)
