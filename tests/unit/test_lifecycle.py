from awa._core.actions import ACTIONS
from awa._core.entries import JobState
from awa._core.lifecycle import FINAL, LIVE, MOVES, STANDING


def test_every_action_moves_a_job_or_says_that_it_moves_none() -> None:
    """The table covers the vocabulary exactly, so the documentation made of it does too."""
    moving = {move.action for move in MOVES}
    assert set(ACTIONS) == moving | set(STANDING)
    assert not moving & set(STANDING)


def test_every_state_is_live_or_final_and_final_is_final() -> None:
    """FinalForGood: no line leads out of a final state."""
    assert set(JobState) == LIVE | FINAL
    assert not any(move.before in FINAL for move in MOVES)


def test_every_state_that_exists_can_be_reached_from_nothing() -> None:
    """A line from a state that no line leads to would be a line of fiction."""
    reached: set[JobState | None] = {None}
    for _ in MOVES:
        reached |= {move.after for move in MOVES if move.before in reached}
    assert {move.before for move in MOVES} <= reached
