"""Chance for pauses. Tokens are drawn in `awa._storage.tokens`."""

import random

_random = random.Random()  # noqa: S311  # pauses are no secret


def jitter() -> float:
    """A number in [0, 1), for pauses."""
    return _random.random()
