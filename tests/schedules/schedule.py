"""What a schedule is: the interleaving of a witness, on the real SQL, and the mutant it rejects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from correctness.edits import Edit
from tests.schedules.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The steps of one witness, or of what no witness shows.

    With the SQL as it is, every property holds at their end; with `mutant` in it, which takes the
    protection away that the witness lacks, `property` is broken.
    """

    witness: str
    property: str
    mutant: tuple[Edit, ...]
    play: Callable[[World], None]
    by_hand: bool
    """It writes to the tables by hand, so there is no story to replay."""


class Schedules:
    """The schedules of one file, in its order."""

    def __init__(self) -> None:
        self.all: Final[list[Schedule]] = []

    def of(
        self, witness: str, broken: str, *mutant: Edit, by_hand: bool = False
    ) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
        """Say of the decorated function that it plays this witness."""

        def add(play: Callable[[World], None]) -> Callable[[World], None]:
            self.all.append(
                Schedule(
                    witness=witness, property=broken, mutant=mutant, play=play, by_hand=by_hand
                )
            )
            return play

        return add
