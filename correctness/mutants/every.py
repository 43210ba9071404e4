"""All mutants, in the order in which they are hunted."""

from typing import Final

from correctness.mutants import (
    appending,
    claiming,
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
)
"""Names are different, and every action is part of one at least: a test sees to it."""
