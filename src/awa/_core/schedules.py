"""The values that pass between the database, leaders and people about schedules; all frozen."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  a value's field types stay readable at run time
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  as above
from enum import StrEnum
from typing import Any

from awa._core.cron import Cron, Every, Rule, checked_cron, checked_every
from awa._core.firing import MissedFires, Overlap, Timing


class PutAnswer(StrEnum):
    """What became of a declaration."""

    CREATED = "created"
    CHANGED = "changed"
    KEPT = "kept"
    """It was there, and says the same."""
    REMOVED = "removed"
    """It was declared before and is no more."""


class FireAnswer(StrEnum):
    """What became of a plan."""

    FIRED = "fired"
    STALE = "stale"
    """The schedule has changed since it was looked at, or somebody else has fired it."""
    EARLY = "early"
    """By the database's clock it is not due yet."""
    BUSY = "busy"
    """Somebody settles the job that is to be replaced: ask again soon."""


class TriggerAnswer(StrEnum):
    """What became of a job that somebody asked for."""

    INSERTED = "inserted"
    REPLACED = "replaced"
    """An older job of the schedule was cancelled for it."""
    SKIPPED = "skipped"
    """An older job of the schedule is not finished, so nothing was stored."""
    BUSY = "busy"
    """Somebody settles the job that is to be replaced: ask again soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What became of one schedule of a declaration."""

    name: str
    answer: PutAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule to look at: its version then, and what it says of when."""

    namespace: str
    name: str
    version: int
    upto: datetime
    """Instants up to this one were dealt with."""
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLook:
    """What there is to fire."""

    now: datetime
    """By the database's clock."""
    next_at: datetime | None
    """When the next of the others is due; None: there is none."""
    due: tuple[DueSchedule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """The answer to a plan."""

    answer: FireAnswer
    job_ids: tuple[int | None, ...]
    """The job of each instant that was to be fired; None: an older one was not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """A job that somebody asked for."""

    job_id: int | None
    """None when nothing was stored."""
    state: str | None
    answer: TriggerAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as the view `schedules` shows it."""

    namespace: str
    name: str
    cron: str | None
    timezone: str | None
    """Of a cron expression."""
    every_s: float | None
    anchor_s: float | None
    """Of an interval, in seconds since 1970."""
    kind: str
    args: Any
    opts: dict[str, Any]
    missed_fire_policy: MissedFires
    max_lateness_s: float | None
    catch_up_max: int
    overlap: Overlap
    jitter_s: float
    declared: bool
    """Whether a program of its namespace declared it."""
    created_at: datetime
    upto: datetime
    """Instants up to this one were dealt with."""
    next_at: datetime | None
    """When it fires next, its jitter included; None: never, or it is paused. The view knows it once
    a leader has looked."""
    paused_at: datetime | None
    paused_by: str | None
    last_due: datetime | None
    last_fired_at: datetime | None
    last_job: int | None
    fires: int
    overlapped: int
    """Instants at which a job of an earlier one was not finished, so that nothing was stored."""

    @property
    def timing(self) -> Timing:
        """When it fires."""
        return Timing(
            rule=Cron(expression=self.cron, timezone=self.timezone or "UTC")
            if self.cron is not None
            else Every(every_s=self.every_s or 0.0, anchor_s=self.anchor_s or 0.0),
            key=timing_key(self.namespace, self.name),
            missed=self.missed_fire_policy,
            late_max_s=self.max_lateness_s,
            catch_up_max=self.catch_up_max,
            jitter_s=self.jitter_s,
        )


def timing_key(namespace: str, name: str) -> str:
    """What makes a schedule's jitter its own."""
    return f"{namespace}\n{name}"


def timing_of(due: DueSchedule) -> Timing:
    """When a schedule fires, by its definition. Raises InvalidInput when it cannot be followed."""
    said = due.definition
    late = said["max_lateness_s"]
    return Timing(
        rule=_rule(said),
        key=timing_key(due.namespace, due.name),
        missed=MissedFires(said["missed_fire_policy"]),
        late_max_s=None if late is None else float(late),
        catch_up_max=int(said["catch_up_max"]),
        jitter_s=float(said["jitter_s"]),
    )


def _rule(said: Mapping[str, Any]) -> Rule:
    if "cron" in said:
        return checked_cron(said["cron"], said["timezone"])
    return checked_every(float(said["every_s"]), float(said["anchor_s"]))
