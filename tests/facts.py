"""Waiting for what another process or session does: for a fact, with a limit."""

import time
from collections.abc import Callable
from typing import Final

WAIT_S_MAX: Final = 60.0
"""Only what never happens takes so long; a busy machine may need a good part of it."""
LOOK_INTERVAL_S: Final = 0.005


def wait_until(fact: Callable[[], bool], *, what: str = "it") -> None:
    """Return once `fact()` is true; fail when it does not come true within the limit."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not fact():
        assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_S_MAX} s"
        time.sleep(LOOK_INTERVAL_S)
