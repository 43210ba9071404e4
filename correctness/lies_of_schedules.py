"""Lies about schedules: a line of an accepted story changed, or one added, and who refuses it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from correctness.configurations import SPEC
from correctness.lies import Event, Lie, field

STORIES: Final = SPEC.parent / "traces" / "schedules" / "accepted"


def lie(
    story: str,
    line: tuple[str, int],
    name: str,
    by: str,
    spoil: Callable[[Event], object],
    *,
    adds: bool = False,
) -> Lie:
    """A lie about a line, given as the action and which of its events."""
    return Lie(
        name=name,
        story=story,
        action=line[0],
        nth=line[1],
        refused_by=by,
        spoil=spoil,
        adds=adds,
        folder=STORIES,
    )


def version(more: int, **fields: Any) -> Callable[[Event], None]:
    """The next one fires: it saw the version that this event left, and left one that is newer."""

    def spoil(event: Event) -> None:
        event.update(fields)
        event.update(seen=event["version"], version=event["version"] + more)

    return spoil


def as_fire(event: Event) -> None:
    """A fire of nothing by somebody who looked at the schedule after this event."""
    event.update(a="fire", answer="fired", passed=None, due=[], stored=[])
    event.update(seen=event["version"], version=event["version"] + 1)


def dealt(event: Event) -> None:
    """As if instants up to the event's time had been dealt with."""
    event["dealt"] = event["at"]


def earlier(event: Event) -> None:
    """As if it had been told when the last instant came that was dealt with."""
    event["at"] = event["dealt"]


def same(event: Event) -> None:
    """It leaves the version that it saw."""
    event["version"] = event["seen"]


def shorter(event: Event) -> None:
    """The first instant is not fired."""
    event.update(due=event["due"][1:], stored=event["stored"][1:])


def backwards(event: Event) -> None:
    """Instants not in their order."""
    event["due"].reverse()


def late(event: Event) -> None:
    """Another instant is fired as well, an hour before."""
    first = datetime.fromisoformat(event["due"][0]) - timedelta(hours=1)
    event.update(due=[first.isoformat(), *event["due"]], stored=[77, *event["stored"]])


def nothing(event: Event) -> None:
    """Nothing is fired."""
    event.update(due=[], stored=[])


FIRST: Final = "one_after_the_other"
PAUSED: Final = "paused_and_resumed"
ONE: Final = "one_at_a_time"
KEEP: Final = field()

LIES: Final = (
    lie(FIRST, ("fire", 1), "fired_twice", "compares", KEEP, adds=True),
    lie(FIRST, ("fire", 1), "fired_again_by_the_heir", "once", version(1), adds=True),
    lie(FIRST, ("fire", 2), "stale_plan_fires", "compares", field(answer="fired")),
    lie(FIRST, ("fire", 1), "plan_of_nobody", "looked", field(seen=0)),
    lie(FIRST, ("fire", 3), "fired_before_it_is_due", "in_time", field(answer="fired")),
    lie(FIRST, ("fire", 4), "due_and_answered_early", "answer", field(answer="early")),
    lie(FIRST, ("fire", 1), "unchanged_and_answered_stale", "answer", field(answer="stale")),
    lie(FIRST, ("fire", 1), "more_dealt_with_than_passed", "dealt", dealt),
    lie(FIRST, ("fire", 1), "missed_instant_not_fired", "due", nothing),
    lie(FIRST, ("fire", 1), "fired_under_the_same_version", "version", same),
    lie(FIRST, ("fire", 1), "fired_and_nothing_stored", "stored", field(stored=[None])),
    lie(FIRST, ("fire", 4), "one_of_two_not_caught_up_on", "due", shorter),
    lie(FIRST, ("fire", 4), "caught_up_on_backwards", "ascending", backwards),
    lie(FIRST, ("fire", 5), "fired_too_late", "due", late),
    lie(FIRST, ("fire", 1), "busy_where_jobs_overlap", "replaces", field(answer="busy")),
    lie(FIRST, ("fire", 2), "time_goes_back", "forwards", earlier),
    lie(FIRST, ("put_schedule", 1), "created_twice", "created", KEEP, adds=True),
    lie(FIRST, ("put_schedule", 2), "same_rule_begins_anew", "dealt", dealt),
    lie(PAUSED, ("pause_schedule", 1), "fired_while_paused", "awake", as_fire, adds=True),
    lie(
        PAUSED,
        ("fire", 1),
        "fired_by_who_looked_before",
        "compares",
        field(answer="fired"),
    ),
    lie(PAUSED, ("pause_schedule", 1), "paused_twice", "awake", KEEP, adds=True),
    lie(PAUSED, ("pause_schedule", 1), "a_pause_deals_with_instants", "dealt", dealt),
    lie(PAUSED, ("trigger_schedule", 1), "a_trigger_deals_with_instants", "dealt", dealt),
    lie(PAUSED, ("trigger_schedule", 1), "a_trigger_stores_nothing", "stored", field(job=None)),
    lie(PAUSED, ("put_schedule", 2), "a_declaration_ends_a_pause", "paused", field(paused=False)),
    lie(PAUSED, ("put_schedule", 3), "kept_with_another_rule", "kept", field(answer="kept")),
    lie(PAUSED, ("resume_schedule", 1), "resumed_twice", "paused", KEEP, adds=True),
    lie(PAUSED, ("delete_schedule", 1), "deleted_twice", "here", KEEP, adds=True),
    lie(ONE, ("fire", 1), "job_beside_another_in_one_fire", "stored", field(stored=[1, 2, 3])),
    lie(ONE, ("fire", 2), "job_beside_a_living_one", "stored", field(stored=[99])),
    lie(ONE, ("trigger_schedule", 1), "triggered_beside_a_living_job", "stored", field(job=99)),
    lie(ONE, ("trigger_schedule", 2), "skipped_though_no_job_lives", "stored", field(job=None)),
    lie(ONE, ("fire", 3), "nothing_replaces", "stored", field(stored=[None])),
)
"""Each with the guard or the field that must refuse it."""
