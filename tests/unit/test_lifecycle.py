from awa._core.actions import ACTIONS
from awa._core.entries import JobState
from awa._core.lifecycle import AFTERLIFE, FINAL, LIVE, MOVES, STANDING, Beyond, Where


def test_every_action_moves_a_job_or_says_that_it_moves_none() -> None:
    """The table covers the vocabulary exactly, so the documentation made of it does too."""
    moving = {move.action for move in MOVES}
    assert set(ACTIONS) == moving | set(STANDING)
    assert not moving & set(STANDING)


def test_every_state_is_live_or_final_and_final_is_final() -> None:
    """FinalForGood: a final job only leaves the jobs; nothing runs it again where it is."""
    assert set(JobState) == LIVE | FINAL
    leaving = [move for move in MOVES if move.before in FINAL]
    assert AFTERLIFE == {move.action for move in leaving}
    assert set(Beyond) == {move.after for move in leaving}


def test_no_line_is_told_twice() -> None:
    """A line stands once, with one reason."""
    lines = [(move.action, move.before, move.after) for move in MOVES]
    assert len(lines) == len(set(lines))


def test_every_state_that_exists_can_be_reached_from_nothing() -> None:
    """A line from a state that no line leads to would be a line of fiction."""
    reached: set[Where | None] = {None}
    for _ in MOVES:
        reached |= {move.after for move in MOVES if move.before in reached}
    assert {move.before for move in MOVES} <= reached
