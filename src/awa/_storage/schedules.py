"""Schedules: what leaders and people call, and what is read of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from awa._core.firing import MissedFires, Overlap, fire_at_after
from awa._core.limits import SCHEDULES_MAX
from awa._core.schedules import (
    Declared,
    DueLook,
    DueSchedule,
    FireAnswer,
    Fired,
    PutAnswer,
    Schedule,
    TriggerAnswer,
    Triggered,
)
from awa._storage import codec
from awa._storage.calling import Calling
from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awa._storage.calls import Rows

_NAMED = "%s::text, %s::text"


class Schedules(Calling):
    """Declaring, firing, and what people do. All but `trigger_schedule` may be repeated."""

    def put_schedule(
        self, namespace: str, name: str, schedule: Mapping[str, object]
    ) -> Call[PutAnswer]:
        """Have a schedule there as this declaration says."""
        return self._call(
            "put_schedule",
            "%s::text, %s::text, %s::text::jsonb",
            (namespace, name, _document(schedule)),
            codec.enum_of(PutAnswer),
        )

    def declare_schedules(
        self, namespace: str, schedules: Sequence[Mapping[str, object]], *, remove: bool = False
    ) -> Call[tuple[Declared, ...]]:
        """What a program declares; with `remove` what it declared before and does not is gone."""
        return self._call(
            "declare_schedules",
            "%s::text, %s::text::jsonb, %s::bool",
            (namespace, _document(list(schedules)), remove),
            _declared,
            columns="name, answer",
        )

    def delete_schedule(self, namespace: str, name: str) -> Call[bool]:
        """Whether it was there; its jobs go on."""
        return self._call("delete_schedule", _NAMED, (namespace, name), codec.scalar(bool))

    def pause_schedule(self, namespace: str, name: str, *, by: str | None = None) -> Call[bool]:
        """No more fires; whether that is new. Raises InvalidInput for one that is not there."""
        return self._call(
            "pause_schedule", f"{_NAMED}, %s::text", (namespace, name, by), codec.scalar(bool)
        )

    def resume_schedule(self, namespace: str, name: str) -> Call[bool]:
        """Fires again from now on; whether it was paused."""
        return self._call("resume_schedule", _NAMED, (namespace, name), codec.scalar(bool))

    def trigger_schedule(
        self, namespace: str, name: str, *, by: str | None = None
    ) -> Call[Triggered]:
        """One job of the schedule now."""
        return self._call(
            "trigger_schedule",
            f"{_NAMED}, %s::text",
            (namespace, name, by),
            _triggered,
            columns="id, state, answer",
        )

    def due_schedules(self, *, max_schedules: int = SCHEDULES_MAX) -> Call[DueLook]:
        """What there is to fire, and when to look again."""
        return self._call(
            "due_schedules", "%s::int", (max_schedules,), _due, columns="now, next_at, due::text"
        )

    def fire(
        self,
        namespace: str,
        name: str,
        *,
        version: int,
        upto: datetime | None,
        due: Sequence[datetime],
        next_at: datetime | None,
    ) -> Call[Fired]:
        """Deal with the instants of a schedule up to this one, if it is still as it was."""
        return self._call(
            "fire",
            f"{_NAMED}, %s::bigint, %s::timestamptz, %s::timestamptz[], %s::timestamptz",
            (namespace, name, version, upto, list(due), next_at),
            _fired,
            columns="answer, job_ids",
        )


_COLUMNS = (
    "namespace, name, cron, timezone, every_s, anchor_s, kind, args::text, opts::text,"
    " missed_fire_policy, max_lateness_s, catch_up_max, overlap, jitter_s, declared, created_at,"
    " upto, next_at, paused_at, paused_by, last_due, last_fired_at, last_job, fires, overlapped"
)


def list_schedules(
    *, namespace: str | None = None, name: str | None = None, schema: str = SCHEMA_DEFAULT
) -> Call[tuple[Schedule, ...]]:
    """Schedules by namespace and name; a filter that is None does not filter."""
    prefix = quoted(schema).replace("%", "%%")
    return Call(
        action="schedules",
        sql=f"select {_COLUMNS} from {prefix}.schedules"  # names of ours, quoted
        " where namespace = coalesce(%s::text, namespace) and name = coalesce(%s::text, name)"
        " order by namespace, name",
        params=(namespace, name),
        decode=_schedules,
        schema=schema,
    )


def _document(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _declared(rows: Rows) -> tuple[Declared, ...]:
    return tuple(Declared(name=name, answer=PutAnswer(answer)) for name, answer in rows)


def _triggered(rows: Rows) -> Triggered:
    ((job_id, state, answer),) = rows
    return Triggered(job_id=job_id, state=state, answer=TriggerAnswer(answer))


def _fired(rows: Rows) -> Fired:
    ((answer, job_ids),) = rows
    return Fired(answer=FireAnswer(answer), job_ids=tuple(job_ids))


def _due(rows: Rows) -> DueLook:
    ((now, next_at, due),) = rows
    if not isinstance(now, datetime):
        raise InternalError(f"expected a time, got {now!r:.200}")
    return DueLook(now=now, next_at=next_at, due=tuple(map(_due_one, codec.json_value(due))))


def _due_one(said: dict[str, Any]) -> DueSchedule:
    return DueSchedule(**{**said, "upto": datetime.fromisoformat(said["upto"])})


def _schedules(rows: Rows) -> tuple[Schedule, ...]:
    return tuple(map(_schedule, rows))


def _schedule(row: Sequence[Any]) -> Schedule:
    names = tuple(Schedule.__dataclass_fields__)
    said = dict(zip(names, row, strict=True))
    said["args"] = codec.json_value(said["args"])
    said["opts"] = codec.json_value(said["opts"])
    said["missed_fire_policy"] = MissedFires(said["missed_fire_policy"])
    said["overlap"] = Overlap(said["overlap"])
    found = Schedule(**said)
    if found.next_at is not None or found.paused_at is not None:
        return found
    return replace(found, next_at=_first_at(found))


def _first_at(found: Schedule) -> datetime | None:
    """When it fires, as far as that is known before a leader has looked."""
    try:
        return fire_at_after(found.timing, found.upto)
    except Exception:  # noqa: BLE001  # a rule that this program cannot read is shown all the same
        return None
