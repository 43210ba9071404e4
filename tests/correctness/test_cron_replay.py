"""What is recorded of schedules is judged: an honest story stands, and each lie has its reason."""

from typing import Any, Final

import pytest

from awa._core.actions import CRON_ACTIONS
from correctness.cron_replay import refusal

RULE: Final = {"cron": "* * * * *", "timezone": "UTC"}


def event(action: str, version: int, dealt: int, **more: Any) -> dict[str, Any]:
    """Return an event of the one schedule; instants are minutes."""
    seen = {"version": version, "dealt": minute(dealt), "paused": False, "rule": RULE}
    return {"a": action, "schedule": ["n", "s"], **seen, **more}


def minute(number: int) -> str:
    """Return an instant."""
    return f"2030-01-01T00:{number:02}:00+00:00"


def fire(seen: int, version: int, dealt: int, *due: int) -> dict[str, Any]:
    """Return a fire of these instants."""
    instants = [minute(at) for at in due]
    return event("fire", version, dealt, seen=seen, due=instants, stored=[7 for _ in due])


STORY: Final = [
    event("put_schedule", 1, 0, answer="created"),
    {"a": "enqueue", "entries": []},
    fire(1, 2, 2, 1, 2),
    event("trigger_schedule", 2, 2, answer="inserted", job=9),
    event("pause_schedule", 3, 2, paused=True),
    event("resume_schedule", 4, 5),
    fire(4, 5, 7, 7),
    event("put_schedule", 5, 7, answer="kept"),
    {"a": "delete_schedule", "schedule": ["n", "s"]},
    event("put_schedule", 6, 8, answer="created"),
]


def test_an_honest_story_stands() -> None:
    """Guards the judge against refusing everything; the story has each event, with all it has."""
    assert refusal(STORY) is None
    for one in STORY:
        if one["a"] in CRON_ACTIONS:
            assert CRON_ACTIONS[one["a"]].fields == set(one) - {"a"}
    with_events = {name for name, action in CRON_ACTIONS.items() if action.fields}
    assert with_events == {one["a"] for one in STORY} - {"enqueue"}


@pytest.mark.parametrize(
    ("place", "lie", "why"),
    [
        (2, {"seen": 0}, "as it was looked at"),
        (2, {"due": [minute(2), minute(1)]}, "in their order"),
        (2, {"due": [minute(0), minute(1)]}, "only what just passed"),
        (2, {"due": [minute(2), minute(3)]}, "only what just passed"),
        (2, {"stored": []}, "has its job"),
        (2, {"version": 1}, "a new version"),
        (3, {"version": 3}, "changes no schedule"),
        (3, {"dealt": minute(3)}, "deals with no instant"),
        (4, {"dealt": minute(3)}, "deals with nothing"),
        (4, {"paused": False}, "was not paused"),
        (5, {"dealt": minute(1)}, "comes again"),
        (5, {"paused": True}, "is no more"),
        (7, {"rule": {}}, "was there"),
        (7, {"answer": "created"}, "was not there"),
        (9, {"answer": "changed"}, "was not there"),
    ],
)
def test_a_lie_is_rejected_for_its_reason(place: int, lie: dict[str, Any], why: str) -> None:
    """Guards each demand of the judge: without it this story would stand."""
    told = [{**one, **lie} if number == place else one for number, one in enumerate(STORY)]
    refused = refusal(told)
    assert refused is not None
    assert why in refused


def test_an_instant_that_is_fired_twice_is_rejected() -> None:
    """Guards FiredOnce, also where a row has been moved back."""
    back = event("env_older", 2, 0)
    assert "fired once" in str(refusal([*STORY[:3], back, fire(2, 3, 2, 2)]))
    paused = event("pause_schedule", 3, 2, paused=True)
    assert "not paused" in str(refusal([*STORY[:3], paused, fire(3, 4, 3, 3)]))
    assert "was there" in str(refusal([{"a": "delete_schedule", "schedule": ["n", "s"]}]))
