"""Reads: what people and programs ask about jobs, queues and lanes.

No actions, so they have no place among the methods of `Storage`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  a value's field types stay readable at run time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from awa._core.entries import JobState
from awa._core.limits import ACT_JOBS_MAX
from awa._core.options import checked_name
from awa._core.tuning import QueueOverrides
from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._storage.calls import Rows

Pages: TypeAlias = Callable[[int | None], Call[tuple[int, ...]]]
"""Makes the call of the page below an id; None is the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as the view `jobs` shows it. Times are by the database's clock, with time zone."""

    id: int
    kind: str
    queue: str
    priority: int
    state: JobState
    attempt: int
    """The attempt it is at; of a job that waits, its next one."""
    max_attempts: int
    run_lease: int
    losses: int
    args: Any
    """The decoded JSON value, as those below; an integer Python cannot read is a Decimal."""
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    progress: dict[str, Any] | None
    """What its attempts said last: some of `percent`, `message` and `metadata`."""
    errors: tuple[dict[str, Any], ...]
    """The last five, oldest first: `attempt`, `at`, `error`, perhaps `type` and `trace`."""
    enqueued_at: datetime
    run_at: datetime | None
    """When it becomes available, if it waits for a time."""
    claimed_at: datetime | None
    finished_at: datetime | None
    worker: int | None
    result: Any
    """The decoded JSON value that the handler returned; None without."""
    reason: str | None
    """Why it failed, or was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue as the view `queues` shows it; `available` is exact when nobody is enqueuing."""

    queue: str
    available: int
    running: int
    completed: int
    """As far as the ring remembers."""
    deferred: int
    """Scheduled and retryable."""
    final: int
    """Failed and cancelled, as long as they are kept."""
    dead: int
    deadline_s: float
    aging_s: float
    enqueue_shards: int
    dead_letters: bool
    """Whether failed jobs become dead letters."""
    paused_at: datetime | None
    paused_by: str | None
    unknown_kinds: tuple[str, ...]
    """Kinds that workers meet here and none of them has a handler for: no capable worker."""
    overrides: QueueOverrides
    """What operators say for now, over what programs and settings say."""
    overridden_at: datetime | None
    overridden_by: str | None


_STATES: Final = tuple(state.value for state in JobState)
_JOB: Final = (
    "id, kind, queue, priority, state, attempt, max_attempts, run_lease, losses, args::text, "
    "extra::text, enqueued_at, run_at, claimed_at, finished_at, worker, result::text, reason"
)


def get_job(job_id: int, *, schema: str = SCHEMA_DEFAULT) -> Call[JobRecord | None]:
    """One job, or None when there is none of this id; dead letters are elsewhere."""
    sql = f"select {_JOB} from {_prefix(schema)}.jobs_by_id(array[%s::bigint])"
    return Call(action="jobs_by_id", sql=sql, params=(job_id,), decode=_one_job, schema=schema)


def list_jobs(
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    before_id: int | None,
    limit: int,
    schema: str = SCHEMA_DEFAULT,
) -> Call[tuple[JobRecord, ...]]:
    """Jobs by descending id, newest first; a filter that is None does not filter.

    Raises InvalidInput for a state that there is none of, and for what can be no name.
    """
    params = page_params(state=state, queue=queue, kind=kind, before_id=before_id, limit=limit)
    sql = f"select {_JOB} from {_prefix(schema)}.jobs_page({_PAGE}) order by id desc"
    return Call(action="jobs_page", sql=sql, params=params, decode=_jobs, schema=schema)


def list_ids(
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    before_id: int | None,
    limit: int,
    schema: str = SCHEMA_DEFAULT,
) -> Call[tuple[int, ...]]:
    """The same, but only the ids."""
    params = page_params(state=state, queue=queue, kind=kind, before_id=before_id, limit=limit)
    sql = f"select id from {_prefix(schema)}.jobs_page({_PAGE}) order by id desc"
    return Call(action="jobs_page", sql=sql, params=params, decode=codec.integers, schema=schema)


def id_pages(
    state: JobState, *, queue: str | None, kind: str | None, schema: str = SCHEMA_DEFAULT
) -> Pages:
    """Pages of ids in one state, each as large as an act may be. Raises InvalidInput."""
    page_params(state=state, queue=queue, kind=kind, before_id=None, limit=ACT_JOBS_MAX)

    def page(before_id: int | None) -> Call[tuple[int, ...]]:
        return list_ids(
            state=state,
            queue=queue,
            kind=kind,
            before_id=before_id,
            limit=ACT_JOBS_MAX,
            schema=schema,
        )

    return page


_PAGE: Final = "%s::text, %s::text, %s::text, %s::bigint, %s::int"


def page_params(
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    before_id: int | None,
    limit: int,
) -> tuple[object, ...]:
    """The parameters of `jobs_page`, checked. Raises InvalidInput."""
    if state is not None and state not in _STATES:
        raise InvalidInput("state", f"is {state!r}; the states are {', '.join(_STATES)}")
    for field, name in (("queue", queue), ("kind", kind)):
        if name is not None:
            checked_name(field, name)
    return (state, queue, kind, before_id, limit)


_QUEUE: Final = (
    "queue, available, running, completed, deferred, final, dead, deadline_s, aging_s, "
    "enqueue_shards, dead_letters, paused_at, paused_by, unknown_kinds, overrides::text, "
    "overridden_at, overridden_by"
)


def queue_stats(*, schema: str = SCHEMA_DEFAULT) -> Call[tuple[QueueStats, ...]]:
    """All queues, by name."""
    sql = f"select {_QUEUE} from {_prefix(schema)}.queues order by queue"
    return Call(action="queues", sql=sql, params=(), decode=_queues, schema=schema)


def queue_exists(queue: str, *, schema: str = SCHEMA_DEFAULT) -> Call[bool]:
    """Whether there is a queue of this name."""
    sql = f"select exists (select from {_prefix(schema)}.queue_settings where queue = %s)"
    return Call(
        action="queue_settings",
        sql=sql,
        params=(queue,),
        decode=codec.scalar(bool),
        schema=schema,
    )


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
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for queue in found:
        queue["unknown_kinds"] = tuple(queue["unknown_kinds"])
        queue["overrides"] = QueueOverrides.of(msgspec.json.decode(queue["overrides"]))
    return tuple(QueueStats(**queue) for queue in found)


def _one_job(rows: Rows) -> JobRecord | None:
    jobs = _jobs(rows)
    return jobs[0] if jobs else None


def _jobs(rows: Rows) -> tuple[JobRecord, ...]:
    return tuple(_job(row) for row in rows)


def _job(row: tuple[Any, ...]) -> JobRecord:
    # By place and not by name: a page has hundreds.
    (*placed, args, extra, enqueued, run, claimed, finished, worker, result, reason) = row
    job_id, kind, queue, priority, state, attempt, max_attempts, run_lease, losses = placed
    more = codec.json_value(extra)
    return JobRecord(
        id=job_id,
        kind=kind,
        queue=queue,
        priority=priority,
        state=_STATE_OF[state],
        attempt=attempt,
        max_attempts=max_attempts,
        run_lease=run_lease,
        losses=losses,
        args=codec.json_value(args),
        metadata=more.get("metadata", {}),
        tags=tuple(more.get("tags", ())),
        progress=more.get("progress"),
        errors=tuple(more.get("errors", ())),
        enqueued_at=enqueued,
        run_at=run,
        claimed_at=claimed,
        finished_at=finished,
        worker=worker,
        result=None if result is None else codec.json_value(result),
        reason=reason,
    )


_STATE_OF: Final = {state.value: state for state in JobState}
