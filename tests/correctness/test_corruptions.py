"""Corrupted recordings: how many the replay refuses, and why the others are no wonder."""

from typing import Final

import pytest

from correctness.corruptions.__main__ import ACCEPTED, PAGE, of_stories
from correctness.corruptions.operators import corruptions
from correctness.corruptions.reporting import sections
from correctness.projecting import refuse_repeats
from correctness.traces import read_ndjson

STORIES: Final = sorted(ACCEPTED.glob("*.ndjson"))


def test_the_stories_corruptions_are_refused_at_the_rate_on_the_page() -> None:
    """Guards the rate: whatever the replay no longer notices shows (`make corruptions` writes)."""
    counts = of_stories(STORIES)
    assert [] == counts.unexplained
    assert sections(PAGE.read_text())[0] == counts.table()


def test_every_corruption_differs_from_its_story() -> None:
    """Guards the rate: a corruption that changes nothing would be accepted, and rightly."""
    for file in STORIES:
        story = read_ndjson(file)
        events = [one.event for one in story]
        told = {
            (one.operator, one.where, one.what)
            for one in corruptions(story)
            if [x.event for x in one.recorded] == events
        }
        assert set() == told


@pytest.mark.parametrize(
    "event",
    [
        {"a": "dlq_purge", "jobs": [[1, 4], [1, 4]]},
        {"a": "retire", "finals": [], "dead": [[1, 1], [1, 1]]},
        {"a": "prune", "floors": [[1, 1, 4, "{}"], [1, 1, 4, "{}"]]},
        {"a": "census", "entries": [[0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0]]},
        {"a": "census", "withdrawn": [[0, "{[4,6)}"], [0, "{[5,6)}"]]},
    ],
    ids=lambda event: f"{event['a']} {list(event)[1]}",
)
def test_an_event_that_says_a_thing_twice_is_refused(event: dict[str, object]) -> None:
    """Guards lists that the replay reads as sets: what happened twice would be lost in them."""
    with pytest.raises(ValueError, match="twice"):
        refuse_repeats(event)
