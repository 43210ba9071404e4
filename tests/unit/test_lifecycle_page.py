"""The page about a job's life tells the lines of the table in `awa._core.lifecycle`."""

import re
from itertools import groupby
from pathlib import Path
from typing import Final

from awa._core.actions import ACTIONS
from awa._core.entries import JobState
from awa._core.lifecycle import MOVES, STANDING, Beyond

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "lifecycle.md"


def lines_of_the_table() -> list[str]:
    """Return the lines that the page should hold: one for each action, outcome and reason."""
    groups = groupby(MOVES, key=lambda move: (move.action, move.after, move.because))
    return [
        f"| `{action}` | {', '.join(move.before or 'nothing' for move in moves)} | {after}"
        f" | {because} |"
        for (action, after, because), moves in groups
    ]


def test_the_page_tells_every_move_and_no_other() -> None:
    """Guards the page: its table is the one that tests of the code use."""
    text = PAGE.read_text().partition("## Moves")[2].partition("\n## ")[0]
    told = [line for line in text.splitlines() if line.startswith("| `")]
    assert lines_of_the_table() == told


def test_the_page_names_every_state_and_action() -> None:
    """Guards readers who look a word up."""
    text = PAGE.read_text()
    for state in JobState:
        assert re.search(rf"^\| {state} \|", text, re.MULTILINE), state
    for place in Beyond:
        assert place.value.replace("_", "-") in text or place.value in text
    for action in ACTIONS:
        assert f"`{action}`" in text, action
    assert all(f"`{action}`" in text for action in STANDING)
