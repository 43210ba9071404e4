"""What a judge of traces says, and what every judge goes by."""

from dataclasses import dataclass
from typing import Final

LOSSES_MAX: Final = 5
"""As in the SQL: a job lost once more than this ends."""
SLOTS: Final = 16
INVARIANTS: Final = (
    "EntryClaimedOnce",
    "TokenTakesOnce",
    "ClosuresDisjoint",
    "ClosureWithinClaim",
    "WithdrawnUnclaimed",
    "OneLivePlacePerJob",
    "BodyKept",
    "HoleSafety",
    "HolesBelow",
    "FloorKept",
    "OpenIsNewest",
    "NumbersOnce",
    "LossBound",
    "UniqueHeldOnce",
)
"""Looked at in this order after every event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Where a trace stops being one of the specification's, and why."""

    event: int
    """Place in the trace, from 1."""
    why: str
    """The false guards, the field that differs with both values, or the broken invariant."""
    state: str
    """The specification's state before that event."""
