"""All mutants, in the order in which they are hunted."""

from typing import Final

from correctness.mutants import (
    appending,
    asking,
    claiming,
    firing,
    noting,
    of_schedules,
    operating,
    settling,
    turning,
    workers,
)
from correctness.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *of_schedules.MUTANTS,
    *appending.MUTANTS,
    *claiming.MUTANTS,
    *settling.MUTANTS,
    *workers.MUTANTS,
    *operating.MUTANTS,
    *turning.MUTANTS,
    *firing.MUTANTS,
    *noting.MUTANTS,
    *asking.MUTANTS,
)
"""Names are different, and every action is part of one at least: a test sees to it."""

SLOW: Final = frozenset(
    {
        *("BatchesWait", "RevivedTwice", "PromoteWaits", "MoveWaits", "PruneInsists"),
        "WaitsForNobody",
    }
)
"""Noticed by a statement that waits until its time is up: no sample has them."""


def sample(count: int) -> list[Mutant]:
    """So many mutants, always the same, spread over all."""
    quick = [mutant for mutant in MUTANTS if mutant.name not in SLOW]
    return [quick[(2 * place + 1) * len(quick) // (2 * count)] for place in range(count)]
