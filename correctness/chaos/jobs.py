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
    """0 for a schedule's, which are told apart by the ids they get: see `number_of`."""
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
OWNING: Final = "owning"
"""Writes its effect in a transaction of its own, which completes the job."""
NOTING: Final = "noting"
"""Notes its progress step by step, and fails at its first attempt."""
TICKING: Final = "ticking"
"""Made by the stage's schedule."""
KINDS: Final = (QUICK, THREADED, FLAKY, SNOOZING, DOOMED, OWNING, NOTING, TICKING)


def number_of(n: int, job_id: int) -> int:
    """Return the number of a job: its producer's, or one below 0 where nobody gave any."""
    return n or -job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job to be made."""

    kind: str
    errand: Errand
    delay_s: float | None = None
    priority: int | None = None


NAMES: Final = (
    *("quick", "threaded", "flaky", "snoozing", "doomed", "slow", "delayed", "owning", "noting"),
)
"""What a mix has shares of."""
LASTING: Final = {"slow": QUICK, "owning": OWNING, "noting": NOTING}
"""Those that take a while, and their kinds."""


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
    owning: float = 0.0
    noting: float = 0.0
    slow_s: tuple[float, float] = (0.3, 1.5)
    """How long a slow one takes, or one that owns or notes, from and to."""
    together_max: int = 20
    """Jobs of one transaction."""
    rolled_back: float = 0.04
    """The share of transactions that are rolled back."""

    def draw(self, dice: random.Random, n: int) -> Wish:
        """Return a job by chance."""
        name = dice.choices(NAMES, [getattr(self, each) for each in NAMES])[0]
        if name in LASTING:
            return Wish(kind=LASTING[name], errand=Errand(n=n, last_s=dice.uniform(*self.slow_s)))
        if name == "delayed":
            return Wish(kind=QUICK, errand=Errand(n=n), delay_s=dice.uniform(0.1, 2.0))
        return Wish(kind=name, errand=Errand(n=n))


def end_of(kind: str) -> str:
    """Return the state in which a job of this kind ends."""
    return "failed" if kind == DOOMED else "completed"
