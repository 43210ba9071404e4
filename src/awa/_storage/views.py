"""Reads of the views: what people and programs ask about jobs, queues and lanes.

No actions, so they have no place among the methods of `Storage`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  a value's field types stay readable at run time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from awa._core.entries import JobState
from awa._core.options import checked_name
from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._storage.calls import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as the view `jobs` shows it. Times are by the database's clock, with time zone."""

    id: int
    kind: str
    queue: str
    priority: int
    state: JobState
    attempt: int
    max_attempts: int
    run_lease: int
    losses: int
    args: Any
    """The decoded JSON value, as those below; an integer Python cannot read is a Decimal."""
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    enqueued_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    worker: int | None
    result: Any
    """The decoded JSON value that the handler returned; None without."""
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue as the view `queues` shows it; `available` is exact when nobody is enqueuing."""

    queue: str
    available: int
    running: int
    completed: int
    deferred: int
    final: int
    deadline_s: float


_STATES: Final = tuple(state.value for state in JobState)
_JOB: Final = (
    "id, kind, queue, priority, state, attempt, max_attempts, run_lease, losses, args::text, "
    "extra::text, enqueued_at, claimed_at, finished_at, worker, result::text, reason"
)


def get_job(job_id: int, *, schema: str = SCHEMA_DEFAULT) -> Call[JobRecord | None]:
    """One job, or None when there is none of this id."""
    sql = f"select {_JOB} from {_prefix(schema)}.jobs where id = %s::bigint"
    return Call(action="jobs", sql=sql, params=(job_id,), decode=_one_job, schema=schema)


def list_jobs(
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    limit: int,
    schema: str = SCHEMA_DEFAULT,
) -> Call[tuple[JobRecord, ...]]:
    """Jobs by descending id, newest first; a filter that is None does not filter.

    Raises InvalidInput for a state that there is none of, and for what can be no name.
    """
    if state is not None and state not in _STATES:
        raise InvalidInput("state", f"is {state!r}; the states are {', '.join(_STATES)}")
    for field, name in (("queue", queue), ("kind", kind)):
        if name is not None:
            checked_name(field, name)
    sql = (
        f"select {_JOB} from {_prefix(schema)}.jobs"
        " where (%s::text is null or state = %s) and (%s::text is null or queue = %s)"
        " and (%s::text is null or kind = %s) order by id desc limit %s"
    )
    params = (state, state, queue, queue, kind, kind, limit)
    return Call(action="jobs", sql=sql, params=params, decode=_jobs, schema=schema)


def queue_stats(*, schema: str = SCHEMA_DEFAULT) -> Call[tuple[QueueStats, ...]]:
    """All queues, by name."""
    sql = (
        "select queue, available, running, completed, deferred, final, deadline_s"
        f" from {_prefix(schema)}.queues order by queue"
    )
    return Call(action="queues", sql=sql, params=(), decode=_queues, schema=schema)


def priorities(lanes: Sequence[int], *, schema: str = SCHEMA_DEFAULT) -> Call[dict[int, int]]:
    """The priority of each of these lanes."""
    sql = f"select lane, priority from {_prefix(schema)}.lane_now where lane = any(%s::int[])"
    return Call(action="lane_now", sql=sql, params=(list(lanes),), decode=_pairs, schema=schema)


def server_facts() -> Call[tuple[str, str]]:
    """The server's version, and the name of the database."""
    sql = "select current_setting('server_version'), current_database()::text"
    return Call(action="server", sql=sql, params=(), decode=_facts)


def _prefix(schema: str) -> str:
    return quoted(schema).replace("%", "%%")


def _pairs(rows: Rows) -> dict[int, int]:
    return dict(rows)


def _facts(rows: Rows) -> tuple[str, str]:
    ((version, database),) = rows
    return version, database


def _queues(rows: Rows) -> tuple[QueueStats, ...]:
    names = QueueStats.__dataclass_fields__
    return tuple(QueueStats(**dict(zip(names, row, strict=True))) for row in rows)


def _one_job(rows: Rows) -> JobRecord | None:
    jobs = _jobs(rows)
    return jobs[0] if jobs else None


def _jobs(rows: Rows) -> tuple[JobRecord, ...]:
    return tuple(_job(row) for row in rows)


def _job(row: tuple[Any, ...]) -> JobRecord:
    columns = dict(zip(_JOB_FIELDS, row, strict=True))
    extra = _json(columns.pop("extra"))
    result = columns.pop("result")
    return JobRecord(
        **{
            **columns,
            "state": JobState(columns["state"]),
            "args": _json(columns["args"]),
            "metadata": extra.get("metadata", {}),
            "tags": tuple(extra.get("tags", ())),
            "result": None if result is None else _json(result),
        }
    )


def _json(text: bytes | str) -> Any:
    """A stored value. jsonb holds longer numbers than Python reads: those become a Decimal."""
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        return json.loads(text, parse_int=Decimal)


_JOB_FIELDS: Final = tuple(column.removesuffix("::text") for column in _JOB.split(", "))
