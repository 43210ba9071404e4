"""Recorded events of schedules, judged by what Cron allows: one schedule after the other.

Cron knows versions as numbers that only grow, and instants as small numbers; here they are what the
server said. What Cron leaves to the leader, which instants a rule has, is left open here too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A schedule as Cron has it: `row`, and the instants that were fired."""

    here: bool = False
    version: int = 0
    dealt: str = ""
    """`upto` of the row: times are texts of one form, so they compare as they are."""
    paused: bool = False
    rule: Any = None
    fired: frozenset[str] = frozenset()


class Refused(Exception):
    """Cron has no such step."""


def _demand(holds: bool, why: str) -> None:  # noqa: FBT001  # the claim itself
    if not holds:
        raise Refused(why)


def _after(row: Row, event: Event) -> Row:
    return replace(
        row,
        here=True,
        version=event["version"],
        dealt=event["dealt"],
        paused=event["paused"],
        rule=event["rule"],
    )


def _changed(row: Row, event: Event) -> Row:
    _demand(event["version"] > row.version, "a change gives a new version")
    _demand(event["dealt"] >= row.dealt, "nothing that was dealt with comes again")
    return _after(row, event)


def _put_schedule(row: Row, event: Event) -> Row:
    if event["answer"] == "kept":
        _demand(row.here and event["rule"] == row.rule, "what is kept was there")
        return _after(row, event)
    _demand((event["answer"] == "changed") == row.here, "what is created was not there")
    if row.here and event["rule"] == row.rule:
        _demand(event["dealt"] == row.dealt, "the same rule goes on where it was")
    if row.here:
        _demand(event["paused"] == row.paused, "a declaration does not end a pause")
    return _changed(row, event)


def _delete_schedule(row: Row, event: Event) -> Row:
    del event
    _demand(row.here, "what is deleted was there")
    return replace(row, here=False)


def _pause_schedule(row: Row, event: Event) -> Row:
    _demand(row.here and not row.paused and event["paused"], "it was not paused, and is")
    _demand(event["dealt"] == row.dealt, "a pause deals with nothing")
    return _changed(row, event)


def _resume_schedule(row: Row, event: Event) -> Row:
    _demand(row.here and row.paused and not event["paused"], "it was paused, and is no more")
    return _changed(row, event)


def _trigger_schedule(row: Row, event: Event) -> Row:
    _demand(row.here, "what is triggered is there")
    _demand(event["version"] == row.version, "a trigger changes no schedule")
    _demand(event["dealt"] == row.dealt, "a trigger deals with no instant")
    return row


def _fire(row: Row, event: Event) -> Row:
    _demand(row.here and not row.paused, "what is fired is there, and not paused")
    _demand(event["seen"] == row.version, "the row is as it was looked at")
    due = event["due"]
    _demand(due == sorted(set(due)), "instants come once, and in their order")
    _demand(all(row.dealt < at <= event["dealt"] for at in due), "only what just passed is fired")
    _demand(row.fired.isdisjoint(due), "an instant is fired once")
    _demand(len(event["stored"]) == len(due), "each instant has its job, or none")
    return replace(_changed(row, event), fired=row.fired | set(due))


JUDGES: Final[Mapping[str, Callable[[Row, Event], Row]]] = {
    "put_schedule": _put_schedule,
    "delete_schedule": _delete_schedule,
    "pause_schedule": _pause_schedule,
    "resume_schedule": _resume_schedule,
    "trigger_schedule": _trigger_schedule,
    "fire": _fire,
}

WORLD: Final[Mapping[str, Callable[[Row, Event], Row]]] = {"env_older": _after}
"""What no action does: a test has made a schedule older than it is."""


def refusal(events: Iterable[Event]) -> str | None:
    """Why Cron does not allow what was recorded; None: it does."""
    rows: dict[tuple[str, str], Row] = {}
    for number, event in enumerate(events, 1):
        judge = JUDGES.get(event["a"]) or WORLD.get(event["a"])
        if judge is None:
            continue
        namespace, name = event["schedule"]
        try:
            rows[namespace, name] = judge(rows.get((namespace, name), Row()), event)
        except Refused as why:
            return f"Cron rejects event {number}, {dict(event)}: {why}"
    return None
