"""Reads of what happened to jobs: their attempts, operators' acts, and the dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  a value's field types stay readable at run time
from typing import TYPE_CHECKING, Any, Final

from awa._core.limits import ACT_JOBS_MAX
from awa._core.options import checked_name, checked_text
from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted
from awa._storage.views import Pages  # noqa: TC001  as above

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._storage.calls import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """An attempt as the view `attempts` shows it, as long as the ring holds its entry."""

    job_id: int
    run_lease: int
    attempt: int
    """Its ordinal; one that was given back has a successor with the same."""
    losses: int
    queue: str
    priority: int
    worker: int
    claimed_at: datetime
    deadline: datetime | None
    outcome: str | None
    """None while it runs."""
    closed_at: datetime | None
    slot: int
    token: int
    part: int
    seq: int
    """With slot, token and part the receipt: the right to settle this attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRecord:
    """What an operator did to a job."""

    act: str
    at: datetime
    state: str
    """Where it took the job."""
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A failed job that waits for an operator, and is no longer among the jobs."""

    id: int
    kind: str
    queue: str
    priority: int
    attempt: int
    max_attempts: int
    run_lease: int
    losses: int
    args: Any
    metadata: dict[str, Any]
    progress: dict[str, Any] | None
    """What its attempts said last."""
    tags: tuple[str, ...]
    errors: tuple[dict[str, Any], ...]
    """The last five, oldest first: `attempt`, `at`, `error`, perhaps `type` and `trace`."""
    enqueued_at: datetime
    finished_at: datetime
    dead_at: datetime
    reason: str | None


_ATTEMPT: Final = (
    "job_id, run_lease, attempt, losses, queue, priority, worker, claimed_at, deadline, outcome, "
    "closed_at, slot, token, part, seq"
)
_DEAD: Final = (
    "id, kind, queue, priority, attempt, max_attempts, run_lease, losses, args::text, extra::text, "
    "enqueued_at, finished_at, dead_at, reason"
)


def attempts_of(job_id: int, *, schema: str = SCHEMA_DEFAULT) -> Call[tuple[AttemptRecord, ...]]:
    """The attempts at a job, oldest first."""
    sql = (
        f"select {_ATTEMPT} from {_prefix(schema)}.attempts_of(array[%s::bigint])"
        " order by run_lease"
    )
    return Call(action="attempts_of", sql=sql, params=(job_id,), decode=_attempts, schema=schema)


def acts_on(job_id: int, *, schema: str = SCHEMA_DEFAULT) -> Call[tuple[ActRecord, ...]]:
    """What operators did to a job in the last days, oldest first."""
    sql = (
        f"select act, at, state, reason from {_prefix(schema)}.acts where job_id = %s::bigint"
        " order by at"
    )
    return Call(action="acts", sql=sql, params=(job_id,), decode=_acts, schema=schema)


def dead_letter(job_id: int, *, schema: str = SCHEMA_DEFAULT) -> Call[DeadLetter | None]:
    """One dead letter, or None when there is none of this id."""
    sql = f"select {_DEAD} from {_prefix(schema)}.dead_letters where id = %s::bigint"
    return Call(action="dead_letters", sql=sql, params=(job_id,), decode=_one, schema=schema)


def dead_letters(
    *,
    queue: str | None,
    kind: str | None,
    tag: str | None,
    before_id: int | None,
    limit: int,
    schema: str = SCHEMA_DEFAULT,
) -> Call[tuple[DeadLetter, ...]]:
    """Dead letters by descending id. Raises InvalidInput for what can be no name."""
    where, params = _filter(queue=queue, kind=kind, tag=tag, before_id=before_id)
    sql = f"select {_DEAD} from {_prefix(schema)}.dead_letters{where} order by id desc limit %s"
    params = (*params, limit)
    return Call(action="dead_letters", sql=sql, params=params, decode=_dead_letters, schema=schema)


def dead_pages(
    *, queue: str | None, kind: str | None, tag: str | None, schema: str = SCHEMA_DEFAULT
) -> Pages:
    """Pages of the ids of dead letters, each as large as an act may be. Raises InvalidInput."""
    _filter(queue=queue, kind=kind, tag=tag, before_id=None)

    def page(before_id: int | None) -> Call[tuple[int, ...]]:
        where, params = _filter(queue=queue, kind=kind, tag=tag, before_id=before_id)
        sql = f"select id from {_prefix(schema)}.dead_letters{where} order by id desc limit %s"
        return Call(
            action="dead_letters",
            sql=sql,
            params=(*params, ACT_JOBS_MAX),
            decode=codec.integers,
            schema=schema,
        )

    return page


def dead_depth(*, schema: str = SCHEMA_DEFAULT) -> Call[dict[str, int]]:
    """How many dead letters each queue has; queues without any are left out."""
    sql = f"select queue, count(*) from {_prefix(schema)}.dead_letters group by queue order by 1"
    return Call(action="dead_letters", sql=sql, params=(), decode=_depths, schema=schema)


def key_holder(
    kind: str,
    *,
    args: bytes | None,
    queue: str | None,
    bucket: int | None,
    period_s: int | None,
    schema: str = SCHEMA_DEFAULT,
) -> Call[int | None]:
    """The job that holds this unique key; the database counts the periods."""
    prefix = _prefix(schema)
    sql = (
        f"select {prefix}.key_holder({prefix}.unique_key(%s::text, %s::text::jsonb, %s::text,"
        " coalesce(%s::bigint, floor(extract(epoch from clock_timestamp()) / %s::bigint)::bigint)))"
    )
    text = None if args is None else args.decode()
    params = (kind, text, queue, bucket, period_s)
    return Call(action="key_holder", sql=sql, params=params, decode=_number, schema=schema)


def storage_status(*, schema: str = SCHEMA_DEFAULT) -> Call[dict[str, Any]]:
    """Slots, lanes, workers and sizes, as JSON has them."""
    sql = f"select {_prefix(schema)}.storage_status()::text"
    return Call(action="storage_status", sql=sql, params=(), decode=_document, schema=schema)


def _prefix(schema: str) -> str:
    return quoted(schema).replace("%", "%%")


def _filter(
    *, queue: str | None, kind: str | None, tag: str | None, before_id: int | None
) -> tuple[str, tuple[object, ...]]:
    """Only the conditions that are wanted: so the planner knows which index serves."""
    given: list[tuple[str, object]] = []
    if queue is not None:
        given.append(("queue = %s", checked_name("queue", queue)))
    if kind is not None:
        given.append(("kind = %s", checked_name("kind", kind)))
    if tag is not None:
        given.append(("extra -> 'tags' ? %s", checked_text("tag", tag)))
    if before_id is not None:
        given.append(("id < %s", before_id))
    where = " and ".join(condition for condition, _ in given)
    return f" where {where}" if where else "", tuple(value for _, value in given)


def _attempts(rows: Rows) -> tuple[AttemptRecord, ...]:
    names = _ATTEMPT.split(", ")
    return tuple(AttemptRecord(**dict(zip(names, row, strict=True))) for row in rows)


def _acts(rows: Rows) -> tuple[ActRecord, ...]:
    return tuple(
        ActRecord(act=act, at=at, state=state, reason=reason) for act, at, state, reason in rows
    )


def _one(rows: Rows) -> DeadLetter | None:
    found = _dead_letters(rows)
    return found[0] if found else None


def _dead_letters(rows: Rows) -> tuple[DeadLetter, ...]:
    return tuple(_dead(row) for row in rows)


def _dead(row: Sequence[Any]) -> DeadLetter:
    names = [column.removesuffix("::text") for column in _DEAD.split(", ")]
    columns = dict(zip(names, row, strict=True))
    extra = codec.json_value(columns.pop("extra"))
    return DeadLetter(
        **{
            **columns,
            "args": codec.json_value(columns["args"]),
            "metadata": extra.get("metadata", {}),
            "progress": extra.get("progress"),
            "tags": tuple(extra.get("tags", ())),
            "errors": tuple(extra.get("errors", ())),
        }
    )


def _depths(rows: Rows) -> dict[str, int]:
    return dict(rows)


def _number(rows: Rows) -> int | None:
    ((number,),) = rows
    return None if number is None else int(number)


def _document(rows: Rows) -> dict[str, Any]:
    ((text,),) = rows
    document: dict[str, Any] = codec.json_value(text)
    return document
