"""The counterexample of each witness, driven through gates in the real SQL.

With the SQL as it is every property holds at the end; without the protection that the witness
lacks, the same steps break the property it names.
"""

from typing import Final

import pytest

from correctness.configurations import CONFIGURATIONS
from tests.fix_database import NewSession
from tests.schedules.every import SCHEDULES
from tests.schedules.gating import change
from tests.schedules.schedule import Schedule
from tests.schedules.world import World

CUT_OPEN: Final = ("StorageTx", "Looking", "Ring")
"""The modules that cut the SQL functions open: what their witnesses show, a schedule can drive."""
WITHOUT: Final[dict[str, str]] = {
    "OwnStaleCommits": "who is told stale rolls back: a worker's decision, not the SQL's",
    "OwnRepeated": "a worker's decision as well",
    "AskUnlocked": "an answer is in no table; tests/storage/test_settled_by.py plays it",
}
"""Witnesses without a schedule, and why the SQL cannot express them."""

BESIDE: Final = {
    "KeyNotLocked": "a unique key is taken in one step of Storage, which no other module cuts open",
}
"""Schedules of what no witness shows, and why none does."""


def params(*, mutated: bool) -> list[object]:
    """Return the schedules as parameters; a mutant is not replayed, it would be rejected."""
    return [
        pytest.param(
            schedule,
            id=schedule.witness,
            marks=[pytest.mark.by_hand] if mutated or schedule.by_hand else [],
        )
        for schedule in SCHEDULES
    ]


@pytest.mark.parametrize("schedule", params(mutated=False))
def test_the_sql_holds_in_the_schedule(schedule: Schedule, session: NewSession) -> None:
    """Guards every property, in the interleaving that breaks one without its protection."""
    world = World(session)
    schedule.play(world)
    assert set() == world.broken()


@pytest.mark.parametrize("schedule", params(mutated=True))
def test_the_schedule_rejects_the_sql_without_its_protection(
    schedule: Schedule, database: str, session: NewSession
) -> None:
    """Guards the schedule itself: it would see it if the protection went."""
    change(database, schedule.mutant, gates=True)
    world = World(session)
    schedule.play(world)
    assert schedule.property in world.broken()


def test_every_witness_has_its_schedule() -> None:
    """Guards the list: no protection of the cut-open specifications is without its interleaving."""
    witnesses = {
        entry.name.removeprefix("witness/"): entry.breaks
        for entry in CONFIGURATIONS
        if entry.name.startswith("witness/") and entry.module in CUT_OPEN
    }
    found = {schedule.witness: schedule.property for schedule in SCHEDULES}
    assert not found.keys() & WITHOUT.keys()
    shown = {name: broken for name, broken in found.items() if name not in BESIDE}
    assert witnesses == shown | {name: witnesses[name] for name in WITHOUT}
    assert all((WITHOUT | BESIDE).values())
    assert BESIDE.keys() <= found.keys() - witnesses.keys()
