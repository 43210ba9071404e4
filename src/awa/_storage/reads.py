"""Reads for people and programs, over the public views. Never on the hot path."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from awa._core.entries import JobState
from awa._core.records import JobFilter, JobRecord, QueueStats
from awa._storage.calls import Call, Rows
from awa._storage.names import SCHEMA_DEFAULT, checked_schema, quoted

_JSON: Final = frozenset({"args", "extra", "result"})
_JOB: Final = tuple(field.name for field in fields(JobRecord))
_JOB_COLUMNS: Final = ", ".join(f"{name}::text" if name in _JSON else name for name in _JOB)
_QUEUE: Final = tuple(field.name for field in fields(QueueStats))
_CONDITIONS: Final = {
    "state": "state = %s::text",
    "kind": "kind = %s::text",
    "queue": "queue = %s::text",
    "before_id": "id < %s::bigint",
}
LIST_LIMIT_DEFAULT: Final = 50


class Reads:
    """The views of one schema as Calls. Immutable and shared, like `Storage`."""

    def __init__(self, schema: str = SCHEMA_DEFAULT) -> None:
        self.schema = checked_schema(schema)
        self._prefix = quoted(self.schema).replace("%", "%%")

    def get_job(self, job_id: int) -> Call[JobRecord | None]:
        """One job, or None when it is not known or no longer kept."""
        return Call(
            action="get_job",
            sql=f"select {_JOB_COLUMNS} from {self._prefix}.jobs where id = %s::bigint",
            params=(job_id,),
            decode=_job_or_none,
            schema=self.schema,
        )

    def list_jobs(
        self, which: JobFilter | None = None, *, limit: int = LIST_LIMIT_DEFAULT
    ) -> Call[tuple[JobRecord, ...]]:
        """The newest jobs that the filter lets through, newest first."""
        given = {
            name: value
            for name in _CONDITIONS
            if (value := getattr(which or JobFilter(), name)) is not None
        }
        where = " and ".join(_CONDITIONS[name] for name in given) or "true"
        return Call(
            action="list_jobs",
            sql=f"select {_JOB_COLUMNS} from {self._prefix}.jobs where {where} "
            "order by id desc limit %s::int",
            params=(*map(str, given.values()), limit),
            decode=_jobs,
            schema=self.schema,
        )

    def queue_stats(self) -> Call[tuple[QueueStats, ...]]:
        """Every queue, by name."""
        return Call(
            action="queue_stats",
            sql=f"select {', '.join(_QUEUE)} from {self._prefix}.queues order by queue",
            params=(),
            decode=_queues,
            schema=self.schema,
        )


def _job(row: tuple[Any, ...]) -> JobRecord:
    known = dict(zip(_JOB, row, strict=True))
    for name in _JSON:
        text = known[name]
        known[name] = None if text is None else text.encode()
    known["state"] = JobState(known["state"])
    return JobRecord(**known)


def _jobs(rows: Rows) -> tuple[JobRecord, ...]:
    return tuple(map(_job, rows))


def _job_or_none(rows: Rows) -> JobRecord | None:
    return _job(rows[0]) if rows else None


def _queues(rows: Rows) -> tuple[QueueStats, ...]:
    return tuple(QueueStats(**dict(zip(_QUEUE, row, strict=True))) for row in rows)
