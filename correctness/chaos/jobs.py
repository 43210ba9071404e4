"""The kinds of jobs on a stage: what producers make, what handlers do, and how each should end."""

import random
from dataclasses import dataclass
from typing import Final

QUEUE: Final = "chaos"
DOOMED_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Arguments of every job. `n` is its producer's number for it, known before it is stored."""

    n: int
    last_s: float = 0.0
    """How long its handler takes."""


QUICK: Final = "quick"
THREADED: Final = "threaded"
"""Runs in a thread."""
FLAKY: Final = "flaky"
"""Fails at its first attempt."""
SNOOZING: Final = "snoozing"
"""Snoozes when it runs for the first time."""
DOOMED: Final = "doomed"
"""Fails at every attempt."""
KINDS: Final = (QUICK, THREADED, FLAKY, SNOOZING, DOOMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job to be made."""

    kind: str
    errand: Errand
    delay_s: float | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What producers make: how often what, and how much at once."""

    quick: float = 64.0
    threaded: float = 6.0
    flaky: float = 8.0
    snoozing: float = 5.0
    doomed: float = 4.0
    slow: float = 8.0
    delayed: float = 5.0
    slow_s: tuple[float, float] = (0.3, 1.5)
    """How long a slow one takes, from and to."""
    together_max: int = 20
    """Jobs of one transaction."""
    rolled_back: float = 0.04
    """The share of transactions that are rolled back."""

    def draw(self, dice: random.Random, n: int) -> Wish:
        """Return a job by chance."""
        names = ("quick", "threaded", "flaky", "snoozing", "doomed", "slow", "delayed")
        name = dice.choices(names, [getattr(self, each) for each in names])[0]
        if name == "slow":
            return Wish(kind=QUICK, errand=Errand(n=n, last_s=dice.uniform(*self.slow_s)))
        if name == "delayed":
            return Wish(kind=QUICK, errand=Errand(n=n), delay_s=dice.uniform(0.1, 2.0))
        return Wish(kind=name, errand=Errand(n=n))


def end_of(kind: str) -> str:
    """Return the state in which a job of this kind ends."""
    return "failed" if kind == DOOMED else "completed"
