"""Numbers that nobody used before: claim tokens, settle ids, workers."""

from __future__ import annotations

import os


def draw_token() -> int:
    """A random signed 64-bit number from the system's entropy.

    Not from `random`: a forked process inherits its state, and two workers would draw alike. Not
    from a database sequence either: sequences repeat numbers after a failover or a restore.
    """
    return int.from_bytes(os.urandom(8), "big", signed=True)
