"""The order of locks is that of the server: the specification is written from what it shows."""

import pytest

from awa._core.actions import ACTIONS
from correctness.lock_calls import CALLS
from correctness.lock_plans import PLANS, plans_of


@pytest.mark.by_hand
def test_the_plans_of_the_specification_are_those_of_the_server(database: str) -> None:
    """Guards NoDeadlock: a new lock, or another order, changes what TLC checks.

    `python -m correctness.lock_plans` writes them anew.
    """
    assert PLANS.read_text() == plans_of(database)


def test_the_locks_of_every_action_are_looked_at() -> None:
    """Guards against an action that waits in an order of its own, unseen."""
    assert set() == set(ACTIONS) - {call.split()[0] for call in CALLS}
