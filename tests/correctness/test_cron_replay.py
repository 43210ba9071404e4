"""What is recorded of schedules is judged by Cron: stories stand, and each lie has its reason."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from awa._core.actions import CRON_ACTIONS
from correctness.configurations import SPEC
from correctness.cron_moments import INSTANTS_MAX
from correctness.cron_replay import replay_schedules
from correctness.cron_traces import CronTrace, Long, cut_schedules
from correctness.lies_of_schedules import LIES
from correctness.traces import Recorded, read_ndjson
from correctness.verdicts import Refusal

FOLDER: Final = SPEC.parent / "traces" / "schedules"
ACCEPTED: Final = sorted((FOLDER / "accepted").glob("*.ndjson"))
REJECTED: Final = sorted((FOLDER / "rejected").glob("*.ndjson"))


def name_of(path: Path) -> str:
    """Return the story's name."""
    return path.stem


def trace_of(recorded: list[Recorded]) -> CronTrace:
    """Return the trace of the one schedule that is told of."""
    (trace,) = cut_schedules(recorded)
    assert isinstance(trace, CronTrace)
    return trace


@cache
def refusals() -> dict[Path, tuple[CronTrace, Refusal | None]]:
    """Judge all files in one run."""
    files = [*ACCEPTED, *REJECTED]
    traces = [trace_of(read_ndjson(file)) for file in files]
    pairs = zip(traces, replay_schedules(traces), strict=True)
    return dict(zip(files, pairs, strict=True))


@pytest.mark.parametrize("file", ACCEPTED, ids=name_of)
def test_what_was_recorded_of_a_schedule_is_accepted(file: Path) -> None:
    """Guards the specification against refusing what leaders rightly do, one after the other."""
    _, refusal = refusals()[file]
    assert refusal is None


@pytest.mark.parametrize("file", REJECTED, ids=name_of)
def test_a_lie_about_a_schedule_is_rejected_where_it_stands(file: Path) -> None:
    """Guards FiredOnce, NeverEarly, PausedSleeps and the others against a replay that sleeps."""
    recorded = read_ndjson(file)
    (line,) = [place for place, one in enumerate(recorded) if "impossible" in one.event]
    trace, refusal = refusals()[file]
    assert refusal is not None
    assert line == trace.lines[refusal.event - 1], refusal
    assert f'"{recorded[line].event["impossible"]}"' in refusal.why


def test_the_rejected_schedules_are_those_of_the_accepted_ones() -> None:
    """Guards against stories that were recorded anew without their lies."""
    assert [file.stem for file in REJECTED] == sorted(lie.name for lie in LIES)
    for lie in LIES:
        kept = read_ndjson(FOLDER / "rejected" / f"{lie.name}.ndjson")
        assert [told(one) for one in lie.told()] == [told(one) for one in kept]


def told(one: Recorded) -> dict[str, Any]:
    """Return an event as it was emitted."""
    return {key: of for key, of in one.event.items() if key != "tx"}


def test_the_stories_have_each_event_with_each_answer() -> None:
    """Guards breadth: what no story has could be read in any way."""
    events = [one.event for file in ACCEPTED for one in read_ndjson(file)]
    for event in events:
        if event["a"] in CRON_ACTIONS:
            assert CRON_ACTIONS[event["a"]].fields == set(event) - {"a", "tx"}
    found = {(event["a"], event["answer"]) for event in events if "answer" in event}
    assert {("fire", answer) for answer in ("fired", "stale", "early")} <= found
    assert {("put_schedule", answer) for answer in ("created", "changed")} <= found
    assert {("trigger_schedule", a) for a in ("inserted", "skipped", "replaced")} <= found


def test_more_instants_than_can_be_judged_are_told_of() -> None:
    """Guards the summary: what is left out is no silent success."""
    recorded = read_ndjson(FOLDER / "accepted" / "one_at_a_time.ndjson")
    seldom = [one for one in recorded if one.event["a"] == "put_schedule"][:1]
    often = {**seldom[0].event, "rule": {"every_s": 1, "anchor_s": 0}, "at": "2999-01-01T00:00:00Z"}
    (long,) = cut_schedules([*seldom, Recorded(transaction=0, event=often)])
    assert isinstance(long, Long)
    assert str(INSTANTS_MAX) in long.why
